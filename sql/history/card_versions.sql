-- The versions of a card, each with the name that its owner had when it began; null if the owner was not known then.
select
  card.card_key, card.valid_from, card.valid_to, card.event_id, owner.name as user_name,
  card.user_id, card.created_by_name, card.active, card.created_at, card.updated_at
from warehouse.dim_card as card
left join warehouse.dim_user as owner
  on owner.user_id = card.user_id
  and owner.valid_from <= card.valid_from
  and (owner.valid_to > card.valid_from or owner.valid_to is null)
where card.card_id = $1
order by card.valid_from
