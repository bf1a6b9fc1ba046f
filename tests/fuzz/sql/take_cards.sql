-- Takes events of cards, one element of the arrays each, and answers with those that are not what PostgreSQL itself
-- reads in the document.
with incoming as (
  select *
  from unnest(
    $1::text[], $2::bigint[], $3::uuid[], $4::timestamptz[], $5::text[], $6::bigint[], $7::text[], $8::boolean[],
    $9::timestamptz[], $10::timestamptz[]
  ) with ordinality as incoming (
    document, card_id, event_id, event_at, extra, user_id, created_by_name, active, created_at, updated_at, place
  )
),

taken as (
  insert into landing.card_event (
    card_id, event_id, event_at, user_id, created_by_name, active, created_at, updated_at, extra, file_name,
    file_modified_at, run_id
  )
  select
    card_id, event_id, event_at, user_id, created_by_name, active, created_at, updated_at, extra::jsonb,
    'fuzz.json', event_at, place
  from incoming
  on conflict (card_id, event_id) do nothing
  returning *
),

stated as (
  select
    place,
    document::json -> 'metadata' as metadata,
    document::json -> 'payload' as payload,
    pg_temp.unknown(
      document::json, '{id,user_id,created_by_name,active,created_at,updated_at}'
    ) as extra
  from incoming
)

select to_json(taken)::text as taken
from taken
inner join stated on stated.place = taken.run_id
where (
  'card', taken.card_id, taken.event_id, taken.user_id, taken.created_by_name, taken.active, taken.extra,
  taken.extra::text::jsonb
) is distinct from (
  stated.metadata ->> 'type', (stated.payload ->> 'id')::bigint, (stated.metadata ->> 'event_id')::uuid,
  (stated.payload ->> 'user_id')::bigint, stated.payload ->> 'created_by_name',
  (stated.payload ->> 'active')::boolean, stated.extra, stated.extra
)
