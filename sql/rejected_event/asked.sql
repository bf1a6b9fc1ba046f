-- Of the rejections that are asked for by number: those that are not there, and those that are resolved.
select
  asked.rejected_id,
  rejected.rejected_id is null as is_unknown
from unnest($1::bigint[]) as asked (rejected_id)
left join landing.rejected_event as rejected using (rejected_id)
where rejected.rejected_id is null or rejected.resolved_at is not null
order by asked.rejected_id
