-- The offset moves in the transaction that loads the data before it.
update etl.checkpoint
set
  offset_at = $2,
  advanced_at = case when offset_at is distinct from $2 then now() else advanced_at end,
  newest_event_at = greatest(newest_event_at, $3),
  loaded = loaded + $4,
  duplicates = duplicates + $5,
  rejected = rejected + $6,
  pending = $7,
  waiting = $8
where source = $1
