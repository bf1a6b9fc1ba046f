-- The versions that overlap these stretches of time (both ends inclusive), each once, in order.
with stretch as (
  select user_id, starts_at, ends_at
  from unnest($1::bigint[], $2::timestamptz[], $3::timestamptz[]) as stretch (user_id, starts_at, ends_at)
),

first_version as (
  select stretch.user_id, stretch.ends_at, coalesce(earliest.valid_from, stretch.starts_at) as starts_at
  from stretch
  left join lateral (
    select version.valid_from
    from warehouse.dim_user as version
    where version.user_id = stretch.user_id and version.valid_from <= stretch.starts_at
    order by version.valid_from desc
    limit 1
  ) as earliest on true
)

select distinct on (version.user_id, version.valid_from)
  version.user_id as entity_id,
  version.user_key as version_key, version.valid_from, version.valid_to, version.event_id,
  version.name, version.address, version.job, version.score
from first_version
inner join warehouse.dim_user as version
  on version.user_id = first_version.user_id
  and version.valid_from between first_version.starts_at and first_version.ends_at
order by version.user_id, version.valid_from
