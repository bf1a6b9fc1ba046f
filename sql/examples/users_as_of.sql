-- What was known of each user at a moment?
with params as (
  select timestamptz '2026-11-23 20:12:00+00' as moment
),

users_then as (
  select users.user_id, users.name, users.job, users.score, users.valid_from
  from params
  cross join lateral warehouse.user_as_of(params.moment) as users
)

select user_id, name, job, score, valid_from as known_since
from users_then
order by user_id;
