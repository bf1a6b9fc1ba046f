-- Notes how many of its events each run has lost: they were deleted from landing. Returns how many that are more than
-- were noted before.
with landed as (
  {landed}
),

landed_by_run as (
  select run_id, sum(events)::bigint as events
  from landed
  group by run_id
),

found as (
  select run.run_id, run.lost as noted, run.loaded - coalesce(landed_by_run.events, 0) as lost
  from etl.run
  left join landed_by_run using (run_id)
),

noted as (
  update etl.run
  set lost = found.lost
  from found
  where run.run_id = found.run_id and found.lost >= 0 and found.lost <> found.noted
  returning found.lost - found.noted as events
)

select coalesce(sum(events), 0)::bigint as events
from noted
