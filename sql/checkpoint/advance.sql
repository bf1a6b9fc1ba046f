-- The offset moves in the transaction that loads the data before it.
update etl.checkpoint
set
  offset_at = $2,
  advanced_at = case when offset_at is distinct from $2 then now() else advanced_at end,
  loaded = loaded + $3,
  duplicates = duplicates + $4,
  rejected = rejected + $5,
  pending = $6
where source = $1
