-- Adds the events whose identity is new, and answers with the places of those it already knew.
-- $1 is the run, the rest are parallel arrays, one element an event, no identity twice.
with incoming as (
  select
    user_id, event_id, event_at, file_name, file_modified_at, extra::jsonb as extra, name, address, job,
    score, place
  from unnest(
    $2::bigint[], $3::uuid[], $4::timestamptz[], $5::text[], $6::text[], $7::timestamptz[], $8::text[],
    $9::text[], $10::text[], $11::double precision[]
  ) with ordinality as incoming (
    user_id, event_id, event_at, extra, file_name, file_modified_at, name, address, job, score, place
  )
),

inserted as (
  insert into landing.user_event (
    user_id, event_id, event_at, name, address, job, score, extra, file_name, file_modified_at, run_id
  )
  select
    user_id, event_id, event_at, name, address, job, score, extra, file_name, file_modified_at, $1
  from incoming
  order by place
  on conflict (user_id, event_id) do nothing
  returning user_id, event_id
)

select incoming.place
from incoming
left join inserted using (user_id, event_id)
where inserted.event_id is null
order by incoming.place
