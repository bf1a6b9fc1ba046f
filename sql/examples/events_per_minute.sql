-- How many events does each service have per minute, quiet minutes included?
with newest as (
  select
    date_trunc(
      'minute',
      greatest((select max(event_at) from landing.user_event), (select max(event_at) from landing.card_event)),
      'UTC'
    ) as minute
),

params as (
  -- The fifteen minutes up to the newest event; for others, put instead:
  -- select timestamptz '2026-11-23 20:10:00+00' as starts_at, timestamptz '2026-11-23 20:20:00+00' as ends_at
  select minute - interval '14 minutes' as starts_at, minute + interval '1 minute' as ends_at
  from newest
),

minutes as (
  select minute
  from params
  cross join lateral generate_series(
    date_trunc('minute', params.starts_at, 'UTC'), params.ends_at - interval '1 microsecond', interval '1 minute'
  ) as minute
),

events as (
  select event_at, 'user' as entity from landing.user_event
  union all
  select event_at, 'card' as entity from landing.card_event
),

counted as (
  select
    date_trunc('minute', events.event_at, 'UTC') as minute,
    count(*) filter (where events.entity = 'user') as user_events,
    count(*) filter (where events.entity = 'card') as card_events
  from events
  inner join params
    on events.event_at >= params.starts_at
    and events.event_at < params.ends_at
  group by 1
)

select
  minutes.minute,
  coalesce(counted.user_events, 0) as user_events,
  coalesce(counted.card_events, 0) as card_events
from minutes
left join counted using (minute)
order by minutes.minute;
