-- Rejected files by bucket of time, by when they were written. Parameters as in volume.sql.
with bucketed_files as (
  select date_bin(make_interval(secs => $1), file_modified_at, $2) as bucket
  from landing.rejected_event
  where file_modified_at >= $2 and file_modified_at < $3
)

select bucket, count(*) as files
from bucketed_files
group by bucket
