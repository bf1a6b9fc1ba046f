-- Files of the inbox whose name is not where it is to be expected: among the events that the folder's service writes,
-- or among the rejections. Landing does not say which folder a file was in, so one in the wrong folder is told too.
with unrejected as not materialized (
  select inbox_file.source, inbox_file.file_name
  from pg_temp.inbox_file
  where not exists (
    select from landing.rejected_event as rejected
    where rejected.source = inbox_file.source and rejected.file_name = inbox_file.file_name
  )
)

select source, file_name
from unrejected
where source = 'users'
  and not exists (select from landing.user_event as event where event.file_name = unrejected.file_name)
union all
select source, file_name
from unrejected
where source = 'cards'
  and not exists (select from landing.card_event as event where event.file_name = unrejected.file_name)
