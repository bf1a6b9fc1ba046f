-- The newest rejection for a reason. One reason a statement: the planner then knows whether it is a common one, soon met
-- from the newest number down, or a rare one, found by the index of open rejections.
select rejected_id, rejected_at, file_name, detail
from landing.rejected_event
where source = $1 and reason = $2 and resolved_at is null
order by rejected_id desc
limit 1
