-- A good version of the file has arrived.
update landing.rejected_event as rejected
set resolved_at = now(), resolved_run_id = $1
from unnest($3::text[]) as good (file_name)
where rejected.source = $2
  and rejected.file_name = good.file_name
  and rejected.resolved_at is null
