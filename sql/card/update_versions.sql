-- Brings kept versions up to date; no two of them trade an end, so the order does not matter.
update warehouse.dim_card as version
set
  valid_from = revised.valid_from,
  valid_to = revised.valid_to,
  event_id = revised.event_id,
  user_id = revised.user_id,
  created_by_name = revised.created_by_name,
  active = revised.active,
  created_at = revised.created_at,
  updated_at = revised.updated_at
from unnest(
  $1::bigint[], $2::bigint[], $3::timestamptz[], $4::timestamptz[], $5::uuid[], $6::bigint[], $7::text[],
  $8::boolean[], $9::timestamptz[], $10::timestamptz[]
) as revised (
  card_id, card_key, valid_from, valid_to, event_id, user_id, created_by_name, active, created_at, updated_at
)
where version.card_id = revised.card_id and version.card_key = revised.card_key
