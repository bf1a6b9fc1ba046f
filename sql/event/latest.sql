-- The latest events of these keys, at most $2 of each. The searches start at the current version: Citus takes a
-- lateral search from a distributed table and none from `unnest`.
with touched as materialized (
  select entity_id from unnest($1::bigint[]) as touched (entity_id)
)

select
  latest.{entity}_id as entity_id, latest.event_at, latest.file_modified_at, latest.event_id, {latest.attributes}
from touched
inner join warehouse.dim_{entity} as version
  on version.{entity}_id = touched.entity_id and version.valid_to is null
cross join lateral (
  select event.{entity}_id, event.event_at, event.file_modified_at, event.event_id, {event.attributes}
  from landing.{entity}_event as event
  where event.{entity}_id = version.{entity}_id
  order by event.event_at desc, event.file_modified_at desc, event.event_id desc
  limit $2
) as latest
