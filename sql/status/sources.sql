-- How far each source has been loaded, when a run last looked at it (the newest run over each combination of folders
-- that has the source), and since when runs have left files of it for later (those after the last one that left none).
--
-- "between" and not "=": after "=", the planner takes the order for that of the number alone and walks through all runs
-- by number, to find that there is none over a combination of folders.
select
  checkpoint.source,
  checkpoint.offset_at,
  checkpoint.advanced_at,
  newest.looked_at,
  checkpoint.pending,
  leaving.since as pending_since,
  checkpoint.loaded,
  checkpoint.duplicates,
  checkpoint.rejected,
  checkpoint.newest_event_at
from etl.checkpoint
cross join lateral (
  select max(run.looked_at) as looked_at
  from (values (array[checkpoint.source]), (array['users', 'cards'])) as folders (sources)
  cross join lateral (
    select run.looked_at
    from etl.run
    where run.sources between folders.sources and folders.sources
    order by run.sources desc, run.run_id desc
    limit 1
  ) as run
) as newest
cross join lateral (
  select min(run.started_at) as since
  from etl.run
  where checkpoint.pending > 0
    and checkpoint.source = any(run.sources)
    and run.since is null
    and run.run_id > coalesce((
      select run.run_id
      from etl.run
      where checkpoint.source = any(run.sources) and run.since is null and run.pending = 0
      order by run.run_id desc
      limit 1
    ), 0)
) as leaving
order by checkpoint.source desc
