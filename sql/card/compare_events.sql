-- Tells, for events whose identity is already there, whether the content is the same (a duplicate) or not
-- (a conflict), whether their file is older than the one on record, and which one that is.
-- Parallel arrays, one element an event.
with incoming as (
  select
    card_id, event_id, event_at, file_modified_at, extra::jsonb as extra, user_id, created_by_name, active,
    created_at, updated_at, place
  from unnest(
    $1::bigint[], $2::uuid[], $3::timestamptz[], $4::text[], $5::text[], $6::timestamptz[], $7::bigint[],
    $8::text[], $9::boolean[], $10::timestamptz[], $11::timestamptz[]
  ) with ordinality as incoming (
    card_id, event_id, event_at, extra, file_name, file_modified_at, user_id, created_by_name, active,
    created_at, updated_at, place
  )
)

select
  incoming.place,
  (
    known.event_at, known.user_id, known.created_by_name, known.active, known.created_at, known.updated_at,
    known.extra
  ) is not distinct from (
    incoming.event_at, incoming.user_id, incoming.created_by_name, incoming.active, incoming.created_at,
    incoming.updated_at, incoming.extra
  ) as same_content,
  incoming.file_modified_at < known.file_modified_at as older_file,
  known.file_name
from incoming
inner join landing.card_event as known using (card_id, event_id)
order by incoming.place
