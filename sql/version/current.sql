-- The current version of each key of these new events, if it has one, and its latest event apart from them. The two
-- have to agree. The latest event is null where landing has no other. Parallel arrays, one element a new event.
with incoming as materialized (
  select entity_id, event_id from unnest($1::bigint[], $2::uuid[]) as incoming (entity_id, event_id)
),

-- In order, so that neighbouring keys are searched for in neighbouring pages.
incoming_key as materialized (
  select distinct entity_id from incoming order by entity_id
)

select
  version.{entity}_id as entity_id, version.{entity}_key as version_key, version.valid_from, version.valid_to,
  version.event_id, {version.attributes},
  latest.event_at as latest_event_at,
  ({version.attributes}) is not distinct from ({latest.attributes}) as agrees_with_latest_event
from incoming_key
inner join warehouse.dim_{entity} as version
  on version.{entity}_id = incoming_key.entity_id and version.valid_to is null
left join lateral (
  select event.event_at, {event.attributes}
  from landing.{entity}_event as event
  where event.{entity}_id = version.{entity}_id
    -- Hashed once for all keys, where `not exists` would walk over the new events for each loaded one.
    and (event.{entity}_id, event.event_id) not in (select incoming.entity_id, incoming.event_id from incoming)
  order by event.event_at desc, event.file_modified_at desc, event.event_id desc
  limit 1
) as latest on true
