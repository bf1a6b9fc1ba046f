-- Files and rejected files by bucket of their modification time. A file that was rejected and then fixed counts twice.
-- Parameters as in volume.sql.
with events as (
  {events}
),

files as (
  select file_modified_at as written_at, false as is_rejected from events
  union all
  select file_modified_at as written_at, true as is_rejected from landing.rejected_event
)

select
  date_bin(make_interval(secs => $1), written_at, $2) as bucket,
  count(*) as files,
  count(*) filter (where is_rejected) as rejected
from files
where written_at >= $2 and written_at < $3
group by 1
