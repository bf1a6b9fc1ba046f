-- Rejections that contradict themselves or the runs: the first $1, and how many there are.
with judged as (
  select
    rejected_id,
    case
      when (resolved_at is null) <> (resolved_run_id is null)
        then 'is half resolved: of resolved_at and resolved_run_id one is null'
      when not exists (select from etl.run where run.run_id = rejected_event.run_id)
        then format('was rejected by run %s, which etl.run does not have', run_id)
      when resolved_run_id is not null
        and not exists (select from etl.run where run.run_id = rejected_event.resolved_run_id)
        then format('was resolved by run %s, which etl.run does not have', resolved_run_id)
      when document is null and reason not in ('too_large', 'unreadable')
        then 'has lost its document'
    end as problem
  from landing.rejected_event
)

select rejected_id, problem, count(*) over () as total
from judged
where problem is not null
order by rejected_id
limit $1
