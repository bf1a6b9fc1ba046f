-- Adds the counts of a retry, or of a run that does not move the offset; the offset and the pending files stay as they
-- are.
update etl.checkpoint
set
  newest_event_at = greatest(newest_event_at, $3),
  loaded = loaded + $4,
  duplicates = duplicates + $5,
  rejected = rejected + $6
where source = $1 and inbox = $2
