-- The names that these users had at these times; a user that was not known then is missing.
with asked as materialized (
  select user_id, at, position
  from unnest($1::bigint[], $2::timestamptz[]) with ordinality as asked (user_id, at, position)
)

select asked.position, owner.name
from asked
inner join warehouse.dim_user as owner
  on owner.user_id = asked.user_id
  and owner.valid_from <= asked.at
  and (owner.valid_to > asked.at or owner.valid_to is null)
