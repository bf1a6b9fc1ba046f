-- Writes files that were just processed.
copy etl.recent_file (source, inbox, file_name, inode, size, modified_ns, changed_ns)
from stdin with (format binary)
