-- What a retry works on: open rejections by folder, with a document to validate and without. Null is all of them.
select
  source,
  inbox,
  count(*) filter (where document is not null) as with_document,
  count(*) filter (where document is null) as without_document
from landing.rejected_event
where resolved_at is null
  and ($1::bigint[] is null or rejected_id = any($1))
group by source, inbox
order by inbox, source
