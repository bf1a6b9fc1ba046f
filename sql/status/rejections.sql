-- What is rejected and not resolved, by source and reason.
select source, reason, count(*) as files
from landing.rejected_event
where resolved_at is null
group by source, reason
order by source desc, count(*) desc, reason
