-- What was known of each user at a time?
with changes as (
  select valid_from from warehouse.dim_user
  union all
  select valid_from from warehouse.dim_card
),

params as (
  -- Five minutes before the newest change, or midway from the oldest if that is later; for another time, put instead:
  -- select timestamptz '2026-11-23 20:12:00+00' as at_time
  select max(valid_from) - least(interval '5 minutes', (max(valid_from) - min(valid_from)) / 2) as at_time
  from changes
),

users_then as (
  select users.user_id, users.name, users.job, users.score, users.valid_from
  from params
  cross join lateral warehouse.user_as_of(params.at_time) as users
)

select user_id, name, job, score, valid_from as known_since
from users_then
order by user_id;
