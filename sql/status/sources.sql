-- How far each source has been loaded, when a run last looked at it (the newest run over each combination of folders
-- that has the source), and since when runs have left files of it for later.
--
-- "between" and not "=": after "=", the planner takes the order for that of the number alone and walks through all runs
-- by number, to find that there is none over a combination of folders.
select
  checkpoint.source,
  checkpoint.offset_at,
  checkpoint.advanced_at,
  newest.looked_at,
  checkpoint.pending,
  case when checkpoint.pending > 0 then etl.pending_since(checkpoint.source) end as pending_since,
  checkpoint.loaded,
  checkpoint.duplicates,
  checkpoint.rejected,
  checkpoint.newest_event_at,
  checkpoint.waiting
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
order by checkpoint.source desc
