-- What a retry is about: open rejections by source, with a document to judge and without. Null asks for all.
select
  source,
  count(*) filter (where document is not null) as with_document,
  count(*) filter (where document is null) as without_document
from landing.rejected_event
where resolved_at is null
  and ($1::bigint[] is null or rejected_id = any($1))
group by source
