-- Of these files, those of which some version was rejected before.
--
-- "offset 0" keeps the planner to the key, as in resolve.sql.
select judged.file_name
from unnest($2::text[]) as judged (file_name)
cross join lateral (
  select
  from landing.rejected_event as rejected
  where rejected.source = $1 and rejected.file_name = judged.file_name
  offset 0
  limit 1
) as known
