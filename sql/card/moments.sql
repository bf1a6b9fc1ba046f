-- Around each touched moment, the moments that decide where versions begin: itself, the one before, the one
-- after; each with its deciding event, the last of those with equal event_at.
with touched as (
  select card_id, event_at from unnest($1::bigint[], $2::timestamptz[]) as touched (card_id, event_at)
),

before as (
  select touched.card_id, nearest.event_at
  from touched
  cross join lateral (
    select event.event_at
    from landing.card_event as event
    where event.card_id = touched.card_id and event.event_at < touched.event_at
    order by event.event_at desc
    limit 1
  ) as nearest
),

after as (
  select touched.card_id, nearest.event_at
  from touched
  cross join lateral (
    select event.event_at
    from landing.card_event as event
    where event.card_id = touched.card_id and event.event_at > touched.event_at
    order by event.event_at
    limit 1
  ) as nearest
),

moment as (
  select card_id, event_at from touched
  union
  select card_id, event_at from before
  union
  select card_id, event_at from after
)

select
  moment.card_id as entity_id, moment.event_at, deciding.event_id,
  deciding.user_id, deciding.created_by_name, deciding.active, deciding.created_at, deciding.updated_at
from moment
cross join lateral (
  select event.event_id, event.user_id, event.created_by_name, event.active, event.created_at, event.updated_at
  from landing.card_event as event
  where event.card_id = moment.card_id and event.event_at = moment.event_at
  order by event.file_modified_at desc, event.event_id desc
  limit 1
) as deciding
order by moment.card_id, moment.event_at
