-- Keeps rejected files whole. The same bytes of the same file are one rejection, however often they are judged;
-- one that was resolved is open again if the file has gone back to them.
with judged as (
  select file_name, file_modified_at, file_changed_at, file_size, reason, detail, document
  from unnest(
    $3::text[], $4::timestamptz[], $5::timestamptz[], $6::bigint[], $7::text[], $8::text[], $9::bytea[]
  ) as judged (file_name, file_modified_at, file_changed_at, file_size, reason, detail, document)
)

insert into landing.rejected_event (
  source, file_name, file_modified_at, file_changed_at, file_size, reason, detail, document, run_id
)
select $2, file_name, file_modified_at, file_changed_at, file_size, reason, detail, document, $1
from judged
on conflict (source, file_name, document_sha256) do update
set
  file_modified_at = excluded.file_modified_at,
  file_changed_at = excluded.file_changed_at,
  file_size = excluded.file_size,
  reason = excluded.reason,
  detail = excluded.detail,
  run_id = excluded.run_id,
  rejected_at = now(),
  resolved_at = null,
  resolved_run_id = null
where rejected_event.resolved_at is not null
  or (rejected_event.reason, rejected_event.detail, rejected_event.file_size)
    is distinct from (excluded.reason, excluded.detail, excluded.file_size)
