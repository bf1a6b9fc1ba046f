-- Which events arrived late, that is in a later run than an event of the same user or card that comes after them?
-- The timelines are right all the same; a figure that somebody has read from them before may have changed.
with events as (
  select 'user' as entity, user_id as entity_id, event_id, event_at, file_modified_at, file_name, run_id
  from landing.user_event
  union all
  select 'card' as entity, card_id as entity_id, event_id, event_at, file_modified_at, file_name, run_id
  from landing.card_event
),

events_with_successors as (
  select
    entity,
    entity_id,
    event_at,
    file_name,
    run_id,
    min(run_id) over (
      partition by entity, entity_id
      order by event_at, file_modified_at, event_id
      rows between 1 following and unbounded following
    ) as first_run_of_successors
  from events
)

select
  late.entity,
  late.entity_id,
  late.event_at,
  late.file_name,
  late.run_id,
  run.finished_at - late.event_at as age_when_loaded
from events_with_successors as late
left join etl.run as run using (run_id)
where late.run_id > late.first_run_of_successors
order by late.event_at, late.entity, late.entity_id, late.file_name;
