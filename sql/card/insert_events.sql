-- Adds the events whose identity is new, and answers with the places of those it already knew.
-- $1 is the run, the rest are parallel arrays, one element an event, no identity twice.
with incoming as (
  select
    card_id, event_id, event_at, file_name, file_modified_at, extra::jsonb as extra, user_id, created_by_name,
    active, created_at, updated_at, place
  from unnest(
    $2::bigint[], $3::uuid[], $4::timestamptz[], $5::text[], $6::text[], $7::timestamptz[], $8::bigint[],
    $9::text[], $10::boolean[], $11::timestamptz[], $12::timestamptz[]
  ) with ordinality as incoming (
    card_id, event_id, event_at, extra, file_name, file_modified_at, user_id, created_by_name, active,
    created_at, updated_at, place
  )
),

inserted as (
  insert into landing.card_event (
    card_id, event_id, event_at, user_id, created_by_name, active, created_at, updated_at, extra, file_name,
    file_modified_at, run_id
  )
  select
    card_id, event_id, event_at, user_id, created_by_name, active, created_at, updated_at, extra, file_name,
    file_modified_at, $1
  from incoming
  order by place
  on conflict (card_id, event_id) do nothing
  returning card_id, event_id
)

select incoming.place
from incoming
left join inserted using (card_id, event_id)
where inserted.event_id is null
order by incoming.place
