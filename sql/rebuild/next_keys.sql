-- The keys from $1 on that come next: as many as have some $2 events or versions together, at least one.
with next_event as (
  select {entity}_id
  from landing.{entity}_event
  where {entity}_id >= $1
  order by {entity}_id
  limit $2
),

next_version as (
  select {entity}_id
  from warehouse.dim_{entity}
  where {entity}_id >= $1
  order by {entity}_id
  limit $2
),

-- A list that was cut off at its limit knows of no keys after its last one.
cut_off_at as (
  select max({entity}_id) as entity_id from next_event having count(*) = $2
  union all
  select max({entity}_id) as entity_id from next_version having count(*) = $2
),

next_key as (
  select {entity}_id as entity_id from next_event
  union
  select {entity}_id as entity_id from next_version
)

select entity_id
from next_key
where entity_id <= coalesce((select min(cut_off_at.entity_id) from cut_off_at), entity_id)
order by entity_id
