-- Which users own cards now and are not known, and which cards are theirs?
-- An owner may have yet to come, or may never have existed.
with unknown_owners as (
  select
    user_id,
    count(*) as cards,
    count(*) filter (where active) as active_cards,
    array_agg(card_id order by card_id) as card_ids
  from warehouse.card_without_user
  group by user_id
)

select user_id, cards, active_cards, array_to_string(card_ids, ' ') as card_ids
from unknown_owners
order by cards desc, user_id;
