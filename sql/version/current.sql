-- The current version of each of these keys that has one, and its latest event, which has to agree with it. The latest
-- event is null where landing has none.
with incoming as materialized (
  select entity_id from unnest($1::bigint[]) as incoming (entity_id)
)

select
  version.{entity}_id as entity_id, version.{entity}_key as version_key, version.valid_from, version.valid_to,
  version.event_id, {version.attributes},
  latest.event_at as latest_event_at,
  ({version.attributes}) is not distinct from ({latest.attributes}) as agrees_with_latest_event
from incoming
inner join warehouse.dim_{entity} as version
  on version.{entity}_id = incoming.entity_id and version.valid_to is null
left join lateral (
  select event.event_at, {event.attributes}
  from landing.{entity}_event as event
  where event.{entity}_id = version.{entity}_id
  order by event.event_at desc, event.file_modified_at desc, event.event_id desc
  limit 1
) as latest on true
