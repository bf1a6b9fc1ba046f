-- Who owned each card as of each of its versions: what was known of the owner when the version began?
-- The owner's version is the one whose period holds that time; without one, the owner was not known yet.
with owner_versions as (
  select user_id, user_key, name, valid_from, valid_to
  from warehouse.dim_user
)

select
  card.card_id,
  card.valid_from,
  card.valid_to,
  card.active,
  card.user_id,
  owner.name as owner_name,
  owner.user_key
from warehouse.dim_card as card
left join owner_versions as owner
  on owner.user_id = card.user_id
  and owner.valid_from <= card.valid_from
  and (owner.valid_to > card.valid_from or owner.valid_to is null)
order by card.card_id, card.valid_from;
