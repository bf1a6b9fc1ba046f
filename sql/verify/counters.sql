-- Counters of an inbox that its checkpoints and its runs both keep, where they differ. An inbox that was removed has runs
-- and no checkpoint any more.
with by_checkpoints as (
  select
    inbox, sum(loaded)::bigint as loaded, sum(duplicates)::bigint as duplicates, sum(rejected)::bigint as rejected
  from etl.checkpoint
  group by inbox
),

by_runs as (
  select
    inbox, sum(loaded)::bigint as loaded, sum(duplicates)::bigint as duplicates, sum(rejected)::bigint as rejected
  from etl.run
  group by inbox
)

select
  by_checkpoints.inbox, counter.name, counter.by_checkpoints, counter.by_runs
from by_checkpoints
left join by_runs using (inbox)
cross join lateral (
  values
    (1, 'loaded', by_checkpoints.loaded, coalesce(by_runs.loaded, 0)),
    (2, 'duplicates', by_checkpoints.duplicates, coalesce(by_runs.duplicates, 0)),
    (3, 'rejected', by_checkpoints.rejected, coalesce(by_runs.rejected, 0))
) as counter (position, name, by_checkpoints, by_runs)
where counter.by_checkpoints <> counter.by_runs
order by by_checkpoints.inbox, counter.position
