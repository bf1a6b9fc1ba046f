-- The run has scanned these folders and is done: notes it and gives the claims back.
update etl.checkpoint
set
  last_scanned_at = case when source = any($2::text[]) then $3 else last_scanned_at end,
  failing_since = case when source = any($2::text[]) then null else failing_since end,
  claimed_by = null,
  claimed_until = null,
  claimed_pid = null
where claimed_by = $1
