-- The events of one key in their order. One is late-arriving if an event after it was loaded by an earlier run, and
-- overruled if the next one has the same time: the last one counts.
with events as (
  select event_id, event_at, file_name, file_modified_at, run_id
  from landing.{entity}_event
  where {entity}_id = $1
),

events_with_successors as (
  select
    event_id,
    event_at,
    file_name,
    file_modified_at,
    run_id,
    min(run_id) over (
      order by event_at, file_modified_at, event_id
      rows between 1 following and unbounded following
    ) as first_run_of_successors,
    lead(event_at) over (order by event_at, file_modified_at, event_id) as next_event_at
  from events
)

select
  events.event_id,
  events.event_at,
  events.file_name,
  events.file_modified_at,
  events.run_id,
  run.finished_at as loaded_at,
  coalesce(events.run_id > events.first_run_of_successors, false) as is_late,
  coalesce(events.event_at = events.next_event_at, false) as is_overruled
from events_with_successors as events
left join etl.run as run using (run_id)
order by events.event_at, events.file_modified_at, events.event_id
