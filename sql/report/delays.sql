-- Seconds from an event to the end of the run that loaded it, by bucket: the median and the 95th percentile. Parameters
-- as in volume.sql.
with events as (
  {events}
),

bucketed_delays as (
  select
    date_bin(make_interval(secs => $1), events.event_at, $2) as bucket,
    date_part('epoch', run.finished_at - events.event_at) as delay
  from events
  inner join etl.run as run using (run_id)
  where events.event_at >= $2 and events.event_at < $3
)

select bucket, percentile_disc(array[0.5, 0.95]) within group (order by delay) as delays
from bucketed_delays
group by bucket
