-- Closes the open rejections of these files: a good version of each was loaded.
with good as materialized (
  select file_name from unnest($4::text[]) as good (file_name)
)

update landing.rejected_event as rejected
set resolved_at = now(), resolution = 'accepted', resolved_run_id = $1
from good
where rejected.source = $2
  and rejected.inbox = $3
  and rejected.file_name = good.file_name
  and rejected.resolved_at is null
