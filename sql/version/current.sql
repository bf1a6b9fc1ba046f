-- The current version of each of these keys that has one, and its latest event apart from these new ones. The two have
-- to agree. The latest event is null where landing has no other. Parallel arrays, one element a new event.
with incoming as materialized (
  -- In order, so that neighbouring keys are searched for in neighbouring pages.
  select entity_id, array_agg(event_id) as new_ids
  from unnest($1::bigint[], $2::uuid[]) as incoming (entity_id, event_id)
  group by entity_id
  order by entity_id
),

current_version as not materialized (
  select
    version.{entity}_id, version.{entity}_key, version.valid_from, version.valid_to, version.event_id,
    {version.attributes}, incoming.new_ids
  from incoming
  inner join warehouse.dim_{entity} as version
    on version.{entity}_id = incoming.entity_id and version.valid_to is null
)

select
  version.{entity}_id as entity_id, version.{entity}_key as version_key, version.valid_from, version.valid_to,
  version.event_id, {version.attributes},
  latest.event_at as latest_event_at,
  ({version.attributes}) is not distinct from ({latest.attributes}) as agrees_with_latest_event
from current_version as version
left join lateral (
  select event.event_at, {event.attributes}
  from landing.{entity}_event as event
  where event.{entity}_id = version.{entity}_id and event.event_id <> all (version.new_ids)
  order by event.event_at desc, event.file_modified_at desc, event.event_id desc
  limit 1
) as latest on true
