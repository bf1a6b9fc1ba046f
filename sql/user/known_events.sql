-- Tells the places of those events whose identity is there already. Parallel arrays, one element an event.
select incoming.place
from unnest($1::bigint[], $2::uuid[]) with ordinality as incoming (user_id, event_id, place)
where exists (
  select from landing.user_event as known
  where known.user_id = incoming.user_id and known.event_id = incoming.event_id
)
order by incoming.place
