-- The open rejections of a source that come next by number and have a document, as many as fit in so many bytes, at
-- least one; in the order in which their files changed. A null $2 asks for all numbers.
with next as (
  select rejected_id, octet_length(document) as document_bytes
  from landing.rejected_event
  where source = $1
    and ($2::bigint[] is null or rejected_id = any($2))
    and rejected_id > $3
    and resolved_at is null
    and document is not null
  order by rejected_id
  limit $4
),

measured as (
  select
    rejected_id,
    sum(document_bytes) over (order by rejected_id rows unbounded preceding) - document_bytes as bytes_before
  from next
)

select rejected.rejected_id, rejected.file_name, rejected.file_modified_at, rejected.document
from measured
inner join landing.rejected_event as rejected using (rejected_id)
where measured.bytes_before < $5
order by rejected.file_changed_at, rejected.rejected_id
