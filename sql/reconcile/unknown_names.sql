-- The names that are in no table.
select file_name
from pg_temp.inbox_file
