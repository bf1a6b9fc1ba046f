-- Around each touched moment, the moments that decide where versions begin: itself, the one before, the one
-- after; each with its deciding event, the last of those with equal event_at.
with touched as (
  select user_id, event_at from unnest($1::bigint[], $2::timestamptz[]) as touched (user_id, event_at)
),

before as (
  select touched.user_id, nearest.event_at
  from touched
  cross join lateral (
    select event.event_at
    from landing.user_event as event
    where event.user_id = touched.user_id and event.event_at < touched.event_at
    order by event.event_at desc
    limit 1
  ) as nearest
),

after as (
  select touched.user_id, nearest.event_at
  from touched
  cross join lateral (
    select event.event_at
    from landing.user_event as event
    where event.user_id = touched.user_id and event.event_at > touched.event_at
    order by event.event_at
    limit 1
  ) as nearest
),

moment as (
  select user_id, event_at from touched
  union
  select user_id, event_at from before
  union
  select user_id, event_at from after
)

select
  moment.user_id as entity_id, moment.event_at, deciding.event_id,
  deciding.name, deciding.address, deciding.job, deciding.score
from moment
cross join lateral (
  select event.event_id, event.name, event.address, event.job, event.score
  from landing.user_event as event
  where event.user_id = moment.user_id and event.event_at = moment.event_at
  order by event.file_modified_at desc, event.event_id desc
  limit 1
) as deciding
order by moment.user_id, moment.event_at
