-- The versions that overlap these ranges of time (both ends inclusive), each once, in order. A range starts at the time
-- of an event, at which the search starts: Citus takes a lateral search from a distributed table and none from
-- `unnest`.
with range as materialized (
  select entity_id, starts_at, ends_at
  from unnest($1::bigint[], $2::timestamptz[], $3::timestamptz[]) as range (entity_id, starts_at, ends_at)
),

first_version as (
  select
    version.{entity}_id, version.{entity}_key, version.valid_from, version.valid_to, version.event_id,
    {version.attributes}
  from range
  inner join landing.{entity}_event as anchor
    on anchor.{entity}_id = range.entity_id and anchor.event_at = range.starts_at
  cross join lateral (
    select
      version.{entity}_id, version.{entity}_key, version.valid_from, version.valid_to, version.event_id,
      {version.attributes}
    from warehouse.dim_{entity} as version
    where version.{entity}_id = anchor.{entity}_id and version.valid_from <= anchor.event_at
    order by version.valid_from desc
    limit 1
  ) as version
),

later_version as (
  select
    version.{entity}_id, version.{entity}_key, version.valid_from, version.valid_to, version.event_id,
    {version.attributes}
  from range
  inner join warehouse.dim_{entity} as version
    on version.{entity}_id = range.entity_id
    and version.valid_from > range.starts_at
    and version.valid_from <= range.ends_at
)

select
  {entity}_id as entity_id, {entity}_key as version_key, valid_from, valid_to, event_id, {attributes}
from first_version
union
select
  {entity}_id, {entity}_key, valid_from, valid_to, event_id, {attributes}
from later_version
order by entity_id, valid_from
