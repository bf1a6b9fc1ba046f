-- What the runs from the checkpoint did that began after a moment. Runs are numbered as they begin, so the search ends
-- at the first that is older. Backfills and retries (over no folder) are left out: they judge again what was
-- judged before.
select
  count(*) as runs,
  coalesce(sum(files), 0)::bigint as files,
  coalesce(sum(loaded), 0)::bigint as loaded,
  coalesce(sum(duplicates), 0)::bigint as duplicates,
  coalesce(sum(rejected), 0)::bigint as rejected
from etl.run
where files > 0
  and since is null
  and sources <> '{}'
  and run_id > coalesce((select run_id from etl.run where started_at < $1 order by run_id desc limit 1), 0)
