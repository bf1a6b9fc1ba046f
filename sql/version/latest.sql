-- The latest versions of these keys, at most $2 of each. The searches start at the current version: Citus takes a
-- lateral search from a distributed table and none from `unnest`.
with touched as materialized (
  select entity_id from unnest($1::bigint[]) as touched (entity_id)
)

select
  latest.{entity}_id as entity_id, latest.{entity}_key as version_key, latest.valid_from, latest.valid_to,
  latest.event_id, {latest.attributes}
from touched
inner join warehouse.dim_{entity} as current_version
  on current_version.{entity}_id = touched.entity_id and current_version.valid_to is null
cross join lateral (
  select
    version.{entity}_id, version.{entity}_key, version.valid_from, version.valid_to, version.event_id,
    {version.attributes}
  from warehouse.dim_{entity} as version
  where version.{entity}_id = current_version.{entity}_id
  order by version.valid_from desc
  limit $2
) as latest
