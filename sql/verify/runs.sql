-- Runs whose row does not add up, or that loaded another number of events than landing has of them; and runs that
-- stand in landing alone. The first $1, and how many there are.
with landed as (
  select run_id, count(*) as events
  from landing.user_event
  group by run_id
  union all
  select run_id, count(*) as events
  from landing.card_event
  group by run_id
),

landed_by_run as (
  select run_id, sum(events)::bigint as events
  from landed
  group by run_id
)

select
  run_id, run.loaded, coalesce(landed_by_run.events, 0) as landed,
  run.files is distinct from run.loaded + run.duplicates + run.rejected + run.pending as is_wrong_sum,
  count(*) over () as total
from etl.run
full join landed_by_run using (run_id)
where run.loaded is distinct from coalesce(landed_by_run.events, 0)
  or run.files <> run.loaded + run.duplicates + run.rejected + run.pending
order by run_id
limit $1
