-- The newest rejections of some kind, without their documents, and how many there are of it. Null asks for all.
select
  rejected_id, source, file_name, file_modified_at, file_changed_at, file_size, reason, detail,
  document is not null as has_document, run_id, rejected_at, resolved_at, resolved_run_id,
  count(*) over () as total
from landing.rejected_event
where ($1::text is null or reason = $1)
  and ($2::text is null or source = $2)
  and ($3::timestamptz is null or rejected_at >= $3)
  and ($4::boolean or resolved_at is null)
order by rejected_at desc, rejected_id desc
limit $5
