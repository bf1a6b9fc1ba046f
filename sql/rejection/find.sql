-- The rejections that have the content of files: of each file the one that is open or dismissed, and with $6 also one
-- that was closed. Of a rejected file that was not read, only the size is kept. Parallel arrays, one element a file.
-- Each file is looked up by itself: without statistics the planner would go through all rejections for each.
with file as materialized (
  select file_name, file_size, document, position
  from unnest($3::text[], $4::bigint[], $5::bytea[]) with ordinality as file (file_name, file_size, document, position)
)

select
  file.position, found.reason, found.is_dismissed,
  found.document is not null and file.document is not null as has_document
from file
cross join lateral (
  select
    rejected.reason, rejected.document, rejected.rejected_id,
    rejected.resolution is not distinct from 'dismissed' as is_dismissed
  from (
    select reason, document, file_size, rejected_id, resolution
    from landing.rejected_event
    where source = $1
      and inbox = $2
      and file_name = file.file_name
      and (resolved_at is null or resolution = 'dismissed')
    union all
    select reason, document, file_size, rejected_id, resolution
    from landing.rejected_event
    where $6::boolean
      and source = $1
      and inbox = $2
      and file_name = file.file_name
      and resolution in ('accepted', 'superseded')
  ) as rejected
  where case
      when rejected.document is null or file.document is null then rejected.file_size = file.file_size
      else rejected.document = file.document
    end
  order by rejected.document is null, rejected.rejected_id desc
  limit 1
) as found
