-- Of these keys, the first that has a version whose end is not the start of another one. That is what the commit checks,
-- and what `set constraints` checks before it on one machine: it does not reach the workers of a cluster.
with touched as materialized (
  select entity_id from unnest($1::bigint[]) as touched (entity_id)
)

select version.{entity}_id as entity_id, (version.valid_to at time zone 'UTC')::text || ' UTC' as valid_to
from touched
inner join warehouse.dim_{entity} as version on version.{entity}_id = touched.entity_id
left join warehouse.dim_{entity} as next
  on next.{entity}_id = version.{entity}_id and next.valid_from = version.valid_to
where version.valid_to is not null and next.valid_from is null
order by version.{entity}_id, version.valid_to
limit 1
