-- Of these rejected files, those that already have a rejection which is open or dismissed, and how the content compares
-- with that of the earlier one: the same, grown (the earlier content is its beginning), or other. Of files that were not
-- read only the sizes are compared. Each file is looked up by itself: without statistics the planner would compare every
-- file with every rejection.
with incoming as materialized (
  select file_name, file_size, document, position
  from unnest($3::text[], $4::bigint[], $5::bytea[]) with ordinality
    as incoming (file_name, file_size, document, position)
)

select
  incoming.position,
  rejected.rejected_id,
  rejected.resolution is not distinct from 'dismissed' as is_dismissed,
  case
    when coalesce(rejected.document, incoming.document) is null then
      case
        when incoming.file_size = rejected.file_size then 'same'
        when incoming.file_size > rejected.file_size then 'grown'
        else 'other'
      end
    when rejected.document = incoming.document then 'same'
    when substring(incoming.document for octet_length(rejected.document)) = rejected.document then 'grown'
    else 'other'
  end as content
from incoming
cross join lateral (
  select rejected_id, resolution, file_size, document
  from landing.rejected_event
  where source = $1
    and inbox = $2
    and file_name = incoming.file_name
    and (resolved_at is null or resolution = 'dismissed')
  limit 1
) as rejected
