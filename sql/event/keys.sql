-- Of the keys of these new events, those that have others. Parallel arrays, one element an event.
with incoming as materialized (
  select entity_id, array_agg(event_id) as new_ids
  from unnest($1::bigint[], $2::uuid[]) as incoming (entity_id, event_id)
  group by entity_id
)

select distinct event.{entity}_id as entity_id
from incoming
inner join landing.{entity}_event as event
  on event.{entity}_id = incoming.entity_id and event.event_id <> all (incoming.new_ids)
