-- Counters that the checkpoints and the runs both keep, where they differ.
with counted as (
  select 'loaded' as counter, 1 as place, (select sum(loaded) from etl.checkpoint) as by_checkpoints,
    (select sum(loaded) from etl.run) as by_runs
  union all
  select 'duplicates', 2, (select sum(duplicates) from etl.checkpoint), (select sum(duplicates) from etl.run)
  union all
  select 'rejected', 3, (select sum(rejected) from etl.checkpoint), (select sum(rejected) from etl.run)
)

select counter, coalesce(by_checkpoints, 0)::bigint as by_checkpoints, coalesce(by_runs, 0)::bigint as by_runs
from counted
where coalesce(by_checkpoints, 0) <> coalesce(by_runs, 0)
order by place
