-- The versions of a user.
select
  user_key, valid_from, valid_to, event_id,
  name, address, job, score
from warehouse.dim_user
where user_id = $1
order by valid_from
