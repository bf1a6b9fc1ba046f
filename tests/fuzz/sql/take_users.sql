-- Takes events of users, one element of the arrays each, and answers with those that are not what PostgreSQL itself
-- reads in the document.
with incoming as (
  select *
  from unnest(
    $1::text[], $2::bigint[], $3::uuid[], $4::timestamptz[], $5::text[], $6::text[], $7::text[], $8::text[],
    $9::double precision[]
  ) with ordinality as incoming (
    document, user_id, event_id, event_at, extra, name, address, job, score, place
  )
),

taken as (
  insert into landing.user_event (
    user_id, event_id, event_at, name, address, job, score, extra, file_name, file_modified_at, run_id
  )
  select user_id, event_id, event_at, name, address, job, score, extra::jsonb, 'fuzz.json', event_at, place
  from incoming
  on conflict (user_id, event_id) do nothing
  returning *
),

stated as (
  select
    place,
    document::json -> 'metadata' as metadata,
    document::json -> 'payload' as payload,
    pg_temp.unknown(document::json, '{id,name,address,job,score}') as extra
  from incoming
)

select to_json(taken)::text as taken
from taken
inner join stated on stated.place = taken.run_id
where (
  'user', taken.user_id, taken.event_id, taken.name, taken.address, taken.job, taken.extra, taken.extra::text::jsonb
) is distinct from (
  stated.metadata ->> 'type', (stated.payload ->> 'id')::bigint, (stated.metadata ->> 'event_id')::uuid,
  stated.payload ->> 'name', stated.payload ->> 'address', stated.payload ->> 'job', stated.extra, stated.extra
)
