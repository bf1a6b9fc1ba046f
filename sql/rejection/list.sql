-- The newest of the selected rejections, without their documents, and how many are selected. Null selects all.
with selected as not materialized (
  select *
  from landing.rejected_event
  where ($1::text is null or reason = $1)
    and ($2::text is null or source = $2)
    and ($3::text is null or entity = $3)
    and ($4::bigint is null or entity_id = $4)
    and ($5::timestamptz is null or rejected_at >= $5)
    and ($6::timestamptz is null or rejected_at < $6)
    and ($7::boolean or resolved_at is null)
)

select
  rejected_id, source, inbox, file_name, file_modified_at, file_changed_at, file_size, reason, detail, entity, entity_id,
  document is not null as has_document, run_id, rejected_at, resolved_at, resolution, resolved_run_id, dismissed_by, note,
  (select count(*) from selected) as total
from selected
order by rejected_id desc
limit $8
