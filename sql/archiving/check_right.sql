-- Needs the rights that recording needs, and writes nothing.
insert into etl.archiving (source, inbox, archive_path, last_archived_at, archives, files, bytes, kept)
select source, inbox, archive_path, last_archived_at, archives, files, bytes, kept
from etl.archiving
where false
on conflict (source, inbox) do update set kept = excluded.kept
