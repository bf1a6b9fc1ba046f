-- The time range of files, accepted and rejected, as in event_spans.sql.
select
  'files' as subject,
  count(*) as moments,
  percentile_disc(array[0, 0.005, 0.995, 1]) within group (order by written_at) as bounds
from (
  select file_modified_at as written_at from ({events}) as events
  union all
  select file_modified_at as written_at from landing.rejected_event
) as files
