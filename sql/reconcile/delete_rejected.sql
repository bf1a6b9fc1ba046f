-- Takes out the names of files that were rejected in this folder, whether or not that is resolved.
delete from pg_temp.inbox_file
where file_name in (
  select rejected.file_name
  from landing.rejected_event as rejected
  where rejected.source = $1 and rejected.inbox = $2
)
