-- Adds what a retry did to the counters; the offset and what is pending belong to the folder.
update etl.checkpoint
set
  newest_event_at = greatest(newest_event_at, $3),
  loaded = loaded + $4,
  duplicates = duplicates + $5,
  rejected = rejected + $6
where source = $1 and inbox = $2
