-- Events by bucket of time, and how long after the event the warehouse had them: the median and the 95th percentile,
-- in seconds. $1 is the width of a bucket in seconds, $2 the first moment and $3 the end of the last bucket.
with events as (
  select 'user' as kind, event_at, run_id from landing.user_event
  union all
  select 'card' as kind, event_at, run_id from landing.card_event
),

bucketed_events as (
  select
    date_bin(make_interval(secs => $1), events.event_at, $2) as bucket,
    events.kind,
    date_part('epoch', run.finished_at - events.event_at) as delay
  from events
  left join etl.run as run using (run_id)
  where events.event_at >= $2 and events.event_at < $3
)

select
  bucket,
  count(*) filter (where kind = 'card') as card_events,
  count(*) filter (where kind = 'user') as user_events,
  percentile_disc(array[0.5, 0.95]) within group (order by delay) as delays
from bucketed_events
group by bucket
