-- The newest $1 runs that found something.
select
  run_id, sources, since is not null as is_backfill, started_at,
  date_part('epoch', finished_at - started_at) as seconds,
  files, loaded, duplicates, rejected, pending
from etl.run
where files > 0
order by run_id desc
limit $1
