-- The versions that overlap these stretches of time (both ends inclusive), each once, in order.
with stretch as (
  select card_id, starts_at, ends_at
  from unnest($1::bigint[], $2::timestamptz[], $3::timestamptz[]) as stretch (card_id, starts_at, ends_at)
),

first_version as (
  select stretch.card_id, stretch.ends_at, coalesce(earliest.valid_from, stretch.starts_at) as starts_at
  from stretch
  left join lateral (
    select version.valid_from
    from warehouse.dim_card as version
    where version.card_id = stretch.card_id and version.valid_from <= stretch.starts_at
    order by version.valid_from desc
    limit 1
  ) as earliest on true
)

select distinct on (version.card_id, version.valid_from)
  version.card_id as entity_id,
  version.card_key as version_key, version.valid_from, version.valid_to, version.event_id,
  version.user_id, version.created_by_name, version.active, version.created_at, version.updated_at
from first_version
inner join warehouse.dim_card as version
  on version.card_id = first_version.card_id
  and version.valid_from between first_version.starts_at and first_version.ends_at
order by version.card_id, version.valid_from
