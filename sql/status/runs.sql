-- The newest runs that processed something.
select
  run_id, command, inbox, sources, since, started_at, finished_at,
  files, loaded, duplicates, rejected, pending, versions_opened, versions_closed, versions_changed
from etl.run
where files > 0
order by run_id desc
limit $1
