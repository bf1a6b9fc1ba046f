-- What share of the files of each hour (UTC) is bad, quiet hours included?
-- A file belongs to the hour in which it was last written. It is bad while its rejection stands: it is open, or somebody
-- has dismissed it. All others are accepted; copies of an event count once.
with files as (
  select file_modified_at, false as is_bad from landing.user_event
  union all
  select file_modified_at, false as is_bad from landing.card_event
  union all
  select file_modified_at, true as is_bad from landing.rejected_event
  where resolution is null or resolution = 'dismissed'
),

newest as (
  select date_trunc('hour', max(file_modified_at), 'UTC') as hour
  from files
),

params as (
  -- The 24 hours up to the newest file; for others, put instead:
  -- select timestamptz '2026-11-23 19:00:00+00' as starts_at, timestamptz '2026-11-23 22:00:00+00' as ends_at
  select hour - interval '23 hours' as starts_at, hour + interval '1 hour' as ends_at
  from newest
),

hours as (
  select hour
  from params
  cross join lateral generate_series(
    date_trunc('hour', params.starts_at, 'UTC'), params.ends_at - interval '1 microsecond', interval '1 hour'
  ) as hour
),

counted as (
  select
    date_trunc('hour', files.file_modified_at, 'UTC') as hour,
    count(*) as files,
    count(*) filter (where files.is_bad) as bad_files
  from files
  inner join params
    on files.file_modified_at >= params.starts_at
    and files.file_modified_at < params.ends_at
  group by 1
)

select
  hours.hour,
  coalesce(counted.files, 0) as files,
  coalesce(counted.bad_files, 0) as bad_files,
  round(100.0 * counted.bad_files / counted.files, 1) as bad_percent
from hours
left join counted using (hour)
order by hours.hour;
