-- The current version of each of these cards that has one, and the time of its latest event: events after that
-- time only append.
with touched as (
  select card_id from unnest($1::bigint[]) as touched (card_id)
)

select
  current.card_id as entity_id, latest.event_at as latest_event_at,
  current.card_key as version_key, current.valid_from, current.valid_to, current.event_id,
  current.user_id, current.created_by_name, current.active, current.created_at, current.updated_at
from touched
inner join warehouse.dim_card as current
  on current.card_id = touched.card_id and current.valid_to is null
cross join lateral (
  select event.event_at
  from landing.card_event as event
  where event.card_id = touched.card_id
  order by event.event_at desc
  limit 1
) as latest
