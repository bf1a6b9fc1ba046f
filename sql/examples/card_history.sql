-- What happened to a card, version by version, and how long did each version last?
-- The current version lasts until now and has no length yet.
with params as (
  -- The card with the most versions; for another one, put instead:
  -- select 8::bigint as card_id
  select card_id
  from warehouse.dim_card
  group by card_id
  order by count(*) desc, card_id
  limit 1
),

versions as (
  select
    version.valid_from,
    version.valid_to,
    version.active,
    version.user_id,
    version.event_id,
    version.valid_to - version.valid_from as lasted
  from warehouse.dim_card as version
  inner join params using (card_id)
)

select
  versions.valid_from,
  versions.valid_to,
  extract(epoch from versions.lasted)::bigint as lasted_seconds,
  versions.active,
  versions.user_id,
  event.file_name
from versions
cross join params
inner join landing.card_event as event
  on event.card_id = params.card_id
  and event.event_id = versions.event_id
order by versions.valid_from;
