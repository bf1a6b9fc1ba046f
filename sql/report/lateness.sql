-- Seconds from an event to its file and to the end of the run that loaded it: events by pair of classes. $1 are the
-- lower bounds of the classes; class 0 is below the first bound.
with events as (
  {events}
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
