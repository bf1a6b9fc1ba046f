-- Open rejections of files that are rejected again with the same content or a longer one: the rejection is the same,
-- with the latest content, reason and times. One that says nothing new stays as it is.
with incoming as materialized (
  select
    rejected_id, file_modified_at, file_changed_at, file_size, reason, detail, entity, entity_id, document
  from unnest(
    $2::bigint[], $3::timestamptz[], $4::timestamptz[], $5::bigint[], $6::text[], $7::text[], $8::text[],
    $9::bigint[], $10::bytea[]
  ) as incoming (
    rejected_id, file_modified_at, file_changed_at, file_size, reason, detail, entity, entity_id, document
  )
)

update landing.rejected_event as rejected
set
  file_modified_at = incoming.file_modified_at,
  file_changed_at = incoming.file_changed_at,
  file_size = incoming.file_size,
  reason = incoming.reason,
  detail = incoming.detail,
  entity = incoming.entity,
  entity_id = incoming.entity_id,
  document = incoming.document,
  run_id = $1,
  rejected_at = now()
from incoming
where rejected.rejected_id = incoming.rejected_id
  and (rejected.reason, rejected.detail, rejected.file_size, rejected.file_modified_at, rejected.file_changed_at)
    is distinct from (
      incoming.reason, incoming.detail, incoming.file_size, incoming.file_modified_at, incoming.file_changed_at
    )
