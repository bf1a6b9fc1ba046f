-- Open rejections by source, inbox and reason, with the newest of each.
with open_rejection as (
  select source, inbox, reason, count(*) as files, max(rejected_id) as newest_id
  from landing.rejected_event
  where resolved_at is null
  group by source, inbox, reason
)

select
  open_rejection.source, open_rejection.inbox, open_rejection.reason, open_rejection.files,
  newest.rejected_id, newest.rejected_at, newest.file_name, newest.detail
from open_rejection
inner join landing.rejected_event as newest on newest.rejected_id = open_rejection.newest_id
order by open_rejection.files desc, open_rejection.source, open_rejection.inbox, open_rejection.reason
