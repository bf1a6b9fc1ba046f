-- Files just dealt with.
copy etl.recent_file (source, file_name, changed_ns)
from stdin with (format binary)
