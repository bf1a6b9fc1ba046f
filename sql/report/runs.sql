-- The newest $1 runs that found something.
select
  run_id, command, sources, started_at,
  date_part('epoch', finished_at - started_at) as seconds,
  files, loaded, duplicates, rejected, pending
from etl.run
where files > 0
order by run_id desc
limit $1
