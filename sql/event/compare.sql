-- Compares events whose identity is already loaded with the loaded ones: whether the content is the same (a duplicate)
-- or not (a conflict), and the file that the loaded one came in, with its modification time. Parallel arrays, one element an event.
with incoming as materialized (
  select entity_id, event_id, event_at, extra::jsonb as extra, {attributes}, position
  from unnest(
    $1::bigint[], $2::uuid[], $3::timestamptz[], $4::text[], {attribute_arrays}
  ) with ordinality as incoming (entity_id, event_id, event_at, extra, {attributes}, position)
)

select
  incoming.position,
  (event.event_at, event.extra, {event.attributes})
    is not distinct from (incoming.event_at, incoming.extra, {incoming.attributes}) as is_duplicate,
  event.file_name, event.file_modified_at
from incoming
inner join landing.{entity}_event as event
  on event.{entity}_id = incoming.entity_id and event.event_id = incoming.event_id
