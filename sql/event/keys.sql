-- Of these keys, those that have events.
with incoming as materialized (
  select entity_id from unnest($1::bigint[]) as incoming (entity_id)
)

select distinct event.{entity}_id as entity_id
from incoming
inner join landing.{entity}_event as event on event.{entity}_id = incoming.entity_id
