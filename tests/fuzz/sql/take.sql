-- Takes events of one entity, one element of the arrays each, and returns those that are not what PostgreSQL itself reads
-- in the document. Beside the holes of the loader's statements there are {taken} and {stated}: the attributes that both
-- read alike, those that are neither a time nor a number with a fraction, as they are taken and as the payload has them.
with incoming as (
  select document, entity_id, event_id, event_at, extra, {attributes}, place
  from unnest(
    $1::text[], $2::bigint[], $3::uuid[], $4::timestamptz[], $5::text[], {attribute_arrays}
  ) with ordinality as incoming (document, entity_id, event_id, event_at, extra, {attributes}, place)
),

taken as (
  insert into landing.{entity}_event (
    {entity}_id, event_id, event_at, {attributes}, extra, file_name, file_modified_at, run_id
  )
  select entity_id, event_id, event_at, {attributes}, extra::jsonb, 'fuzz.json', event_at, place
  from incoming
  on conflict ({entity}_id, event_id) do nothing
  returning *
),

stated as (
  select
    place,
    document::json -> 'metadata' as metadata,
    document::json -> 'payload' as payload,
    pg_temp.unknown(document::json, $6::text[]) as extra
  from incoming
)

select to_json(taken)::text as taken
from taken
inner join stated on stated.place = taken.run_id
where (
  '{entity}', taken.{entity}_id, taken.event_id, {taken}, taken.extra, taken.extra::text::jsonb
) is distinct from (
  stated.metadata ->> 'type', (stated.payload ->> 'id')::bigint, (stated.metadata ->> 'event_id')::uuid, {stated},
  stated.extra, stated.extra
)
