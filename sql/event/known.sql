-- Positions of those events whose identity is already loaded. Parallel arrays, one element an event.
with incoming as materialized (
  select entity_id, event_id, position
  from unnest($1::bigint[], $2::uuid[]) with ordinality as incoming (entity_id, event_id, position)
)

select incoming.position
from incoming
inner join landing.{entity}_event as event
  on event.{entity}_id = incoming.entity_id and event.event_id = incoming.event_id
