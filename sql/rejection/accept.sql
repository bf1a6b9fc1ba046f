-- Closes rejections whose documents a retry has accepted.
update landing.rejected_event
set resolved_at = now(), resolution = 'accepted', resolved_run_id = $1
where rejected_id = any($2::bigint[]) and resolved_at is null
