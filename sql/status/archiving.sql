-- What `etl archive` has done in each folder.
select source, inbox, archive_path, last_archived_at, archives, files, bytes, kept, kept_since
from etl.archiving
order by source, inbox
