-- Runs whose row does not add up, or of which landing has another number of events than they loaded, less those that
-- are known to be lost; and runs that only landing knows of. The first $1, and how many there are.
with landed as (
  {landed}
),

landed_by_run as (
  select run_id, sum(events)::bigint as events
  from landed
  group by run_id
)

select
  run_id, run.loaded - run.lost as loaded, coalesce(landed_by_run.events, 0) as landed,
  count(*) over () as total
from etl.run
full join landed_by_run using (run_id)
where run.loaded - run.lost is distinct from coalesce(landed_by_run.events, 0)
  or run.files <> run.loaded + run.duplicates + run.rejected + run.pending
order by run_id
limit $1
