-- The open rejections of a folder that come next by number and have a document, as many as fit in so many bytes, at
-- least one; in the order in which their files changed. A null $3 is all numbers.
with next as (
  select rejected_id, octet_length(document) as document_bytes
  from landing.rejected_event
  where source = $1
    and inbox = $2
    and ($3::bigint[] is null or rejected_id = any($3))
    and rejected_id > $4
    and resolved_at is null
    and document is not null
  order by rejected_id
  limit $5
),

measured as (
  select
    rejected_id,
    sum(document_bytes) over (order by rejected_id rows unbounded preceding) - document_bytes as bytes_before
  from next
)

select
  rejected.rejected_id, rejected.file_name, rejected.file_modified_at, rejected.file_changed_at, rejected.file_size,
  rejected.document
from measured
inner join landing.rejected_event as rejected using (rejected_id)
where measured.bytes_before < $6
order by rejected.file_changed_at, rejected.rejected_id
