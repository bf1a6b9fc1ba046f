-- Whether files of a folder were ever archived.
select exists (
  select from etl.archiving where source = $1 and inbox = $2 and archives > 0
) as has_archives
