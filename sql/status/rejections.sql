-- What is rejected and not resolved, by source and reason, each with its newest rejection as an example.
with unresolved as (
  select source, reason, count(*) as files
  from landing.rejected_event
  where resolved_at is null
  group by source, reason
)

select
  unresolved.source,
  unresolved.reason,
  unresolved.files,
  newest.rejected_id,
  newest.rejected_at,
  newest.file_name,
  newest.detail
from unresolved
cross join lateral (
  select rejected_id, rejected_at, file_name, detail
  from landing.rejected_event
  where source = unresolved.source and reason = unresolved.reason and resolved_at is null
  order by rejected_id desc
  limit 1
) as newest
order by unresolved.source desc, unresolved.files desc, unresolved.reason
