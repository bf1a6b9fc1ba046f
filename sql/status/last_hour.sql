-- What the runs did that began after a time and at a checkpoint: backfills, reconciling runs and retries read files
-- again that an earlier run has read. Each run counts a file that stays pending again, so pending files are not counted.
select
  count(*) as runs,
  coalesce(sum(loaded + duplicates + rejected), 0)::bigint as files,
  coalesce(sum(loaded), 0)::bigint as loaded,
  coalesce(sum(duplicates), 0)::bigint as duplicates,
  coalesce(sum(rejected), 0)::bigint as rejected
from etl.run
where command = 'run'
  and started_at >= $1
