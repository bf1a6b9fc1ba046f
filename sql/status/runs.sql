-- The newest runs that found something.
select
  run_id, sources, since, started_at, finished_at, looks, looked_at,
  files, loaded, duplicates, rejected, pending, versions_opened, versions_closed
from etl.run
where files > 0
order by run_id desc
limit $1
