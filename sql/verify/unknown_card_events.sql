-- Places of those events that landing does not have.
select incoming.place
from unnest($1::bigint[], $2::uuid[]) with ordinality as incoming (card_id, event_id, place)
where not exists (
  select from landing.card_event as event
  where event.card_id = incoming.card_id and event.event_id = incoming.event_id
)
