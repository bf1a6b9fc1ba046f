-- The current version of each of these users that has one, and the time of its latest event: events after that
-- time only append.
with touched as (
  select user_id from unnest($1::bigint[]) as touched (user_id)
)

select
  current.user_id as entity_id, latest.event_at as latest_event_at,
  current.user_key as version_key, current.valid_from, current.valid_to, current.event_id,
  current.name, current.address, current.job, current.score
from touched
inner join warehouse.dim_user as current
  on current.user_id = touched.user_id and current.valid_to is null
cross join lateral (
  select event.event_at
  from landing.user_event as event
  where event.user_id = touched.user_id
  order by event.event_at desc
  limit 1
) as latest
