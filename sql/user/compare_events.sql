-- Tells, for events whose identity is already there, whether the content is the same (a duplicate) or not
-- (a conflict), whether their file is older than the one on record, and which one that is.
-- Parallel arrays, one element an event.
with incoming as (
  select
    user_id, event_id, event_at, file_modified_at, extra::jsonb as extra, name, address, job, score, place
  from unnest(
    $1::bigint[], $2::uuid[], $3::timestamptz[], $4::text[], $5::text[], $6::timestamptz[], $7::text[],
    $8::text[], $9::text[], $10::double precision[]
  ) with ordinality as incoming (
    user_id, event_id, event_at, extra, file_name, file_modified_at, name, address, job, score, place
  )
)

select
  incoming.place,
  (
    known.event_at, known.name, known.address, known.job, known.score, known.extra
  ) is not distinct from (
    incoming.event_at, incoming.name, incoming.address, incoming.job, incoming.score, incoming.extra
  ) as same_content,
  incoming.file_modified_at < known.file_modified_at as older_file,
  known.file_name
from incoming
inner join landing.user_event as known using (user_id, event_id)
order by incoming.place
