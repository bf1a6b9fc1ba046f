-- Writes new versions; those they follow have been given their ends before.
insert into warehouse.dim_card (
  card_id, valid_from, valid_to, event_id, user_id, created_by_name, active, created_at, updated_at
)
select
  card_id, valid_from, valid_to, event_id, user_id, created_by_name, active, created_at, updated_at
from unnest(
  $1::bigint[], $2::timestamptz[], $3::timestamptz[], $4::uuid[], $5::bigint[], $6::text[], $7::boolean[],
  $8::timestamptz[], $9::timestamptz[]
) as opened (
  card_id, valid_from, valid_to, event_id, user_id, created_by_name, active, created_at, updated_at
)
order by card_id, valid_from
