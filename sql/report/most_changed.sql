-- The users and cards with the most versions, $1 of each, with the name of the user or of the card's owner as it is
-- now; $2 is how many characters of a name are shown.
with keys as (
  select
    'user' as kind, user_id as entity_id, user_id as owner_id, count(*) as versions, max(valid_from) as changed_at
  from warehouse.dim_user
  group by user_id
  union all
  select
    'card' as kind, card_id as entity_id, max(user_id) filter (where valid_to is null) as owner_id,
    count(*) as versions, max(valid_from) as changed_at
  from warehouse.dim_card
  group by card_id
),

ranked_keys as (
  select
    kind, entity_id, owner_id, versions, changed_at,
    row_number() over (partition by kind order by versions desc, entity_id) as place
  from keys
  where versions > 1
)

select
  ranked_keys.kind, ranked_keys.entity_id, ranked_keys.versions, ranked_keys.changed_at,
  left(owner.name, $2) as name
from ranked_keys
left join warehouse.user_current as owner on owner.user_id = ranked_keys.owner_id
where ranked_keys.place <= $1
order by ranked_keys.kind, ranked_keys.place
