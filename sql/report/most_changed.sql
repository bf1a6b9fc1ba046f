-- The $1 keys of a kind with the most versions, each with the name of its user as it is now: the user itself, or the
-- owner. $2 is how many characters of a name are read. A kind without user_id has no names.
with keys as (
  select {kind}_id as entity_id, count(*) as versions, max(valid_from) as changed_at
  from warehouse.dim_{kind}
  group by {kind}_id
  having count(*) > 1
  order by count(*) desc, {kind}_id
  limit $1
),

owned_keys as (
  select
    keys.entity_id, keys.versions, keys.changed_at,
    (to_jsonb(present) ->> 'user_id')::bigint as user_id
  from keys
  inner join warehouse.{kind}_current as present on present.{kind}_id = keys.entity_id
)

select
  '{kind}' as kind, owned_keys.entity_id, owned_keys.versions, owned_keys.changed_at,
  left(owner.name, $2) as name
from owned_keys
left join warehouse.user_current as owner on owner.user_id = owned_keys.user_id
order by owned_keys.versions desc, owned_keys.entity_id
