-- Which cards changed owner, when, and from whom to whom?
with versions as (
  select
    card_id,
    valid_from,
    user_id,
    lag(user_id) over (partition by card_id order by valid_from) as previous_user_id
  from warehouse.dim_card
)

select card_id, valid_from as changed_at, previous_user_id, user_id
from versions
where user_id <> previous_user_id
order by card_id, changed_at;
