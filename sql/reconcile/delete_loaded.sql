-- Takes out the names that events were loaded from, whatever folder these were in.
delete from pg_temp.inbox_file
where file_name in (select event.file_name from landing.{entity}_event as event)
