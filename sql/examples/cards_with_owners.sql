-- Who owned each card as of each of its versions: what was known of the owner when the version began?
-- The owner's version is the one whose period holds that moment; without one, the owner was not known yet.
with card_versions as (
  select card_id, card_key, user_id, active, valid_from, valid_to
  from warehouse.dim_card
),

card_versions_with_owners as (
  select
    card.card_id,
    card.valid_from,
    card.valid_to,
    card.active,
    card.user_id,
    owner.user_key,
    owner.name as owner_name
  from card_versions as card
  left join warehouse.dim_user as owner
    on owner.user_id = card.user_id
    and owner.valid_from <= card.valid_from
    and (owner.valid_to > card.valid_from or owner.valid_to is null)
)

select card_id, valid_from, valid_to, active, user_id, owner_name, user_key
from card_versions_with_owners
order by card_id, valid_from;
