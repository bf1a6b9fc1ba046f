-- How many users and cards have how many versions, by classes whose lower bounds are $1.
with keys as (
  select 'user' as kind, count(*) as versions from warehouse.dim_user group by user_id
  union all
  select 'card' as kind, count(*) as versions from warehouse.dim_card group by card_id
)

select kind, width_bucket(versions, $1::bigint[]) as class, count(*) as keys
from keys
group by 1, 2
