-- The time range of the events of an entity: the first time, the bounds of the bulk, and the last time. The bulk is all
-- but half a per cent at each end: a clock that was wrong once must not stretch a chart over decades.
select
  'events' as subject,
  count(*) as count,
  percentile_disc(array[0, 0.005, 0.995, 1]) within group (order by event_at) as bounds
from landing.{entity}_event
