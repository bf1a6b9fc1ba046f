-- How many cards were active at the end of each day (midnight UTC)?
-- An active version adds one card at its start and takes it away at its end.
with params as (
  -- From the day of the first version to that of the last; for other days, put instead:
  -- select date '2026-11-20' as first_day, date '2026-11-24' as last_day
  select
    (min(valid_from) at time zone 'UTC')::date as first_day,
    (max(valid_from) at time zone 'UTC')::date as last_day
  from warehouse.dim_card
),

changes as (
  select valid_from as changed_at, 1 as change
  from warehouse.dim_card
  where active
  union all
  select valid_to as changed_at, -1 as change
  from warehouse.dim_card
  where active and valid_to is not null
),

changes_by_day as (
  select (changed_at at time zone 'UTC')::date as day, sum(change) as change
  from changes
  group by 1
),

days as (
  select day::date as day
  from params
  cross join lateral generate_series(
    params.first_day::timestamp, params.last_day::timestamp, interval '1 day'
  ) as day
)

select days.day, coalesce(sum(changes_by_day.change), 0)::bigint as active_cards
from days
left join changes_by_day on changes_by_day.day <= days.day
group by days.day
order by days.day;
