-- The $1 keys of an entity with the most versions, each with the name of its user as it is now: the user itself, or the
-- owner. $2 is how many characters of a name are read. An entity without user_id has no names.
with keys as (
  select {entity}_id as entity_id, count(*) as versions, max(valid_from) as changed_at
  from warehouse.dim_{entity}
  group by {entity}_id
  having count(*) > 1
  order by count(*) desc, {entity}_id
  limit $1
),

owned_keys as (
  select
    keys.entity_id, keys.versions, keys.changed_at,
    (to_jsonb(present) ->> 'user_id')::bigint as user_id
  from keys
  inner join warehouse.dim_{entity} as present
    on present.{entity}_id = keys.entity_id and present.valid_to is null
)

select
  '{entity}' as entity, owned_keys.entity_id, owned_keys.versions, owned_keys.changed_at,
  left(owner.name, $2) as name
from owned_keys
left join warehouse.user_current as owner on owner.user_id = owned_keys.user_id
order by owned_keys.versions desc, owned_keys.entity_id
