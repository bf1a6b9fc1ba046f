-- What a retry works on: folders with open rejections, and how many of these have no document to validate. Null is all
-- of them.
select
  source,
  inbox,
  count(*) filter (where document is null) as without_document
from landing.rejected_event
where resolved_at is null
  and ($1::bigint[] is null or rejected_id = any($1))
group by source, inbox
order by inbox, source
