-- Writes down why a run failed at these sources.
update etl.checkpoint
set
  failing_since = coalesce(failing_since, $3),
  last_failed_at = $3,
  last_failure = $4
where source = any($1::text[]) and inbox = $2
