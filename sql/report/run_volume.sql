-- Runs that found something by bucket of their start: their number, their files, duplicates and seconds in total, and the
-- median and the 95th percentile of their seconds. Parameters as in volume.sql.
with bucketed_runs as (
  select
    date_bin(make_interval(secs => $1), started_at, $2) as bucket,
    date_part('epoch', finished_at - started_at) as seconds,
    files,
    duplicates
  from etl.run
  where files > 0 and started_at >= $2 and started_at < $3
)

select
  bucket,
  count(*) as runs,
  sum(files)::bigint as files,
  sum(duplicates)::bigint as duplicates,
  sum(seconds) as seconds,
  percentile_disc(array[0.5, 0.95]) within group (order by seconds) as durations
from bucketed_runs
group by bucket
