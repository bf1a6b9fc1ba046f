-- Of the keys of these new events, those that have others. Parallel arrays, one element an event.
with incoming as materialized (
  select entity_id, event_id from unnest($1::bigint[], $2::uuid[]) as incoming (entity_id, event_id)
)

select distinct event.{entity}_id as entity_id
from (select distinct entity_id from incoming) as incoming_key
inner join landing.{entity}_event as event on event.{entity}_id = incoming_key.entity_id
where (event.{entity}_id, event.event_id) not in (select incoming.entity_id, incoming.event_id from incoming)
