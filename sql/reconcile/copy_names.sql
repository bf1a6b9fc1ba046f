-- Writes the names of the files in a folder.
copy pg_temp.inbox_file (file_name)
from stdin with (format binary)
