-- Of these surrogate keys, those that identify several versions, each with the natural keys whose versions have to give
-- it up. The version whose event was loaded first keeps it: that is the one that was there when the number was given
-- again.
with shared as (
  select {entity}_key
  from warehouse.dim_{entity}
  where {entity}_key = any($1::bigint[])
  group by {entity}_key
  having count(*) > 1
),

version as (
  select
    version.{entity}_id as entity_id, version.{entity}_key as version_key,
    row_number() over (
      partition by version.{entity}_key
      order by event.run_id nulls last, version.{entity}_id
    ) as position
  from shared
  inner join warehouse.dim_{entity} as version on version.{entity}_key = shared.{entity}_key
  left join landing.{entity}_event as event
    on event.{entity}_id = version.{entity}_id and event.event_id = version.event_id
)

select entity_id, version_key
from version
where position > 1
