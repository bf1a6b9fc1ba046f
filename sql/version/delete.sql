-- Deletes versions whose first event no longer changes anything.
delete from warehouse.dim_{entity} as version
using unnest($1::bigint[], $2::bigint[]) as removed (entity_id, version_key)
where version.{entity}_id = removed.entity_id and version.{entity}_key = removed.version_key
