-- The offset moves in the transaction that loads the data before it.
update etl.checkpoint
set
  folder_path = $3,
  folder_inode = $4,
  folder_born_ns = $5,
  offset_at = $6,
  advanced_at = case when offset_at is distinct from $6 then now() else advanced_at end,
  last_scanned_at = $7,
  newest_event_at = greatest(newest_event_at, $8),
  loaded = loaded + $9,
  duplicates = duplicates + $10,
  rejected = rejected + $11,
  pending = $12,
  remaining = $13,
  failing_since = null
where source = $1 and inbox = $2
