-- Closes the open rejections of these files: a good version of each was loaded. Each file is looked up by itself, in the
-- index over one rejection a file, which has the dismissed ones too: without statistics the planner would go through all
-- open rejections for each file.
with good as materialized (
  select file_name from unnest($4::text[]) as good (file_name)
),

standing as materialized (
  select found.rejected_id
  from good
  cross join lateral (
    select rejected_id, resolved_at
    from landing.rejected_event
    where source = $2
      and inbox = $3
      and file_name = good.file_name
      and (resolved_at is null or resolution = 'dismissed')
    limit 1
  ) as found
  where found.resolved_at is null
)

update landing.rejected_event as rejected
set resolved_at = now(), resolution = 'accepted', resolved_run_id = $1
from standing
where rejected.rejected_id = standing.rejected_id
