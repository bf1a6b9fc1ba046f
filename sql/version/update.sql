-- Updates kept versions. No two of them exchange a start or an end, so the order does not matter.
with revised as materialized (
  select entity_id, version_key, valid_from, valid_to, event_id, {attributes}
  from unnest(
    $1::bigint[], $2::bigint[], $3::timestamptz[], $4::timestamptz[], $5::uuid[], {attribute_arrays}
  ) as revised (entity_id, version_key, valid_from, valid_to, event_id, {attributes})
)

update warehouse.dim_{entity} as version
set (valid_from, valid_to, event_id, {attributes})
  = row (revised.valid_from, revised.valid_to, revised.event_id, {revised.attributes})
from revised
where version.{entity}_id = revised.entity_id and version.{entity}_key = revised.version_key
