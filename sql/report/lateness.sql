-- How long after the event its file was written and the warehouse had it: events by pair of classes, whose lower
-- bounds are $1, in seconds. Class 0 is below the first bound.
with events as (
  select event_at, file_modified_at, run_id from landing.user_event
  union all
  select event_at, file_modified_at, run_id from landing.card_event
),

delays as (
  select
    date_part('epoch', events.file_modified_at - events.event_at) as to_file,
    date_part('epoch', run.finished_at - events.event_at) as to_warehouse
  from events
  left join etl.run as run using (run_id)
)

select
  width_bucket(to_file, $1::double precision[]) as file_class,
  width_bucket(to_warehouse, $1::double precision[]) as warehouse_class,
  count(*) as events
from delays
group by 1, 2
