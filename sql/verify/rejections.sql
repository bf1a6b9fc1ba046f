-- Rejections that contradict themselves, each other or the runs: the first $1, and how many there are.
with numbered as (
  select
    rejected.rejected_id,
    row_number() over (
      partition by rejected.source, rejected.inbox, rejected.file_name
      order by rejected.rejected_id desc
    ) as position
  from landing.rejected_event as rejected
  where rejected.resolved_at is null or rejected.resolution = 'dismissed'
),

verified as (
  select
    rejected.rejected_id,
    case
      when (rejected.resolved_at is null) <> (rejected.resolution is null)
        then 'it is half closed: of resolved_at and resolution one is null'
      when (rejected.resolution is not distinct from 'dismissed') <> (rejected.dismissed_by is not null)
        or (rejected.resolution in ('accepted', 'superseded')) is true <> (rejected.resolved_run_id is not null)
        then 'its resolution contradicts dismissed_by or resolved_run_id'
      when numbered.position > 1
        then 'its file has a later rejection that is open or dismissed too'
      when rejecting.run_id is null
        then format('it was rejected by run %s, of which etl.run has no row', rejected.run_id)
      when rejected.resolved_run_id is not null and resolving.run_id is null
        then format('it was closed by run %s, of which etl.run has no row', rejected.resolved_run_id)
      when rejected.document is null and rejected.reason not in ('too_large', 'unreadable')
        then 'its document is missing'
    end as problem
  from landing.rejected_event as rejected
  left join numbered using (rejected_id)
  left join etl.run as rejecting on rejecting.run_id = rejected.run_id
  left join etl.run as resolving on resolving.run_id = rejected.resolved_run_id
)

select rejected_id, problem, count(*) over () as total
from verified
where problem is not null
order by rejected_id
limit $1
