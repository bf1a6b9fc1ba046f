-- Closes rejections of files that are rejected again with other content.
update landing.rejected_event
set
  resolved_at = now(),
  resolution = 'superseded',
  resolved_run_id = $1,
  dismissed_by = null
where rejected_id = any($2::bigint[])
