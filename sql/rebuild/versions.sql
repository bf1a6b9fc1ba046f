-- The versions of these keys, whatever has happened to them; the oldest surrogate keys come first.
select
  version.{entity}_id as entity_id, version.{entity}_key as version_key, version.valid_from, version.valid_to,
  version.event_id, {version.attributes}
from unnest($1::bigint[]) as wanted (entity_id)
inner join warehouse.dim_{entity} as version on version.{entity}_id = wanted.entity_id
order by version.{entity}_id, version.{entity}_key
