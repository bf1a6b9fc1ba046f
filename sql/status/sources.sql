-- How far each source has been loaded, and when a run last looked at it: the newest run over each combination of
-- folders that has the source.
select
  checkpoint.source,
  checkpoint.offset_at,
  checkpoint.advanced_at,
  max(newest.looked_at) as looked_at,
  checkpoint.loaded,
  checkpoint.duplicates,
  checkpoint.rejected,
  checkpoint.pending
from etl.checkpoint
left join lateral (
  select run.looked_at
  from (values (array[checkpoint.source]), (array['users', 'cards'])) as folders (sources)
  cross join lateral (
    select run.looked_at
    from etl.run
    where run.sources = folders.sources
    order by run.run_id desc
    limit 1
  ) as run
) as newest on true
group by checkpoint.source
order by checkpoint.source desc
