-- How far events and rejected files reach, and between which moments all but the outermost half per cent of each side
-- lie: a clock that was wrong once must not stretch a chart over decades.
with moments as (
  select 'user' as kind, event_at as moment from landing.user_event
  union all
  select 'card' as kind, event_at as moment from landing.card_event
  union all
  select 'rejected' as kind, file_modified_at as moment from landing.rejected_event
),

spans as (
  select
    kind,
    count(*) as moments,
    min(moment) as first_at,
    max(moment) as last_at,
    percentile_disc(array[0.005, 0.995]) within group (order by moment) as bulk
  from moments
  group by kind
)

select kind, moments, first_at, last_at, bulk[1] as bulk_first_at, bulk[2] as bulk_last_at
from spans
