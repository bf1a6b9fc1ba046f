-- The time ranges of files, accepted and rejected, and of runs that found something, as in event_spans.sql.
select
  'files' as subject,
  count(*) as count,
  percentile_disc(array[0, 0.005, 0.995, 1]) within group (order by written_at) as bounds
from (
  select file_modified_at as written_at from ({events}) as events
  union all
  select file_modified_at as written_at from landing.rejected_event
) as files
union all
select
  'runs' as subject,
  count(*) as count,
  percentile_disc(array[0, 0.005, 0.995, 1]) within group (order by started_at) as bounds
from etl.run
where files > 0
