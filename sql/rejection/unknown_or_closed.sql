-- Of these rejections: those that do not exist, and those that are closed.
select
  wanted.rejected_id,
  rejected.rejected_id is null as is_unknown
from unnest($1::bigint[]) as wanted (rejected_id)
left join landing.rejected_event as rejected using (rejected_id)
where rejected.rejected_id is null or rejected.resolved_at is not null
order by wanted.rejected_id
