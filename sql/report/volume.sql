-- Events by entity and bucket. $1 is the width of a bucket in seconds, $2 the start of the first bucket and $3 the end of
-- the last.
with events as (
  {events}
)

select date_bin(make_interval(secs => $1), event_at, $2) as bucket, entity, count(*) as events
from events
where event_at >= $2 and event_at < $3
group by 1, 2
