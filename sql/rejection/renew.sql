-- Open rejections of files that are rejected again with the same content or a longer one: the rejection is the same,
-- with the latest content, reason and change time. Of the same content, which are copies of one file, the modification
-- time counts that comes first, as among the copies of a loaded event (event/precede.sql). A rejection of which nothing
-- changes stays as it is.
with incoming as materialized (
  select
    rejected_id, file_modified_at, file_changed_at, file_size, reason, detail, entity, entity_id, document
  from unnest(
    $2::bigint[], $3::timestamptz[], $4::timestamptz[], $5::bigint[], $6::text[], $7::text[], $8::text[],
    $9::bigint[], $10::bytea[]
  ) as incoming (
    rejected_id, file_modified_at, file_changed_at, file_size, reason, detail, entity, entity_id, document
  )
),

compared as materialized (
  select
    incoming.*,
    rejected.file_modified_at as earlier_modified_at,
    (rejected.document, rejected.file_size) is not distinct from (incoming.document, incoming.file_size) as is_same,
    rejected.file_modified_at = date_trunc('second', rejected.file_modified_at) as is_earlier_whole,
    incoming.file_modified_at = date_trunc('second', incoming.file_modified_at) as is_whole
  from incoming
  inner join landing.rejected_event as rejected on rejected.rejected_id = incoming.rejected_id
),

renewed as materialized (
  select
    compared.*,
    case
      when is_same and (is_earlier_whole, earlier_modified_at) < (is_whole, file_modified_at) then earlier_modified_at
      else file_modified_at
    end as counted_modified_at
  from compared
)

update landing.rejected_event as rejected
set
  file_modified_at = renewed.counted_modified_at,
  file_changed_at = renewed.file_changed_at,
  file_size = renewed.file_size,
  reason = renewed.reason,
  detail = renewed.detail,
  entity = renewed.entity,
  entity_id = renewed.entity_id,
  document = renewed.document,
  run_id = $1,
  rejected_at = now()
from renewed
where rejected.rejected_id = renewed.rejected_id
  and (rejected.reason, rejected.detail, rejected.file_size, rejected.file_modified_at, rejected.file_changed_at)
    is distinct from (
      renewed.reason, renewed.detail, renewed.file_size, renewed.counted_modified_at, renewed.file_changed_at
    )
