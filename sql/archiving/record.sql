-- Records what `etl archive` has done in a folder.
insert into etl.archiving (
  source, inbox, archive_path, last_archived_at, archives, files, bytes, kept, kept_since
)
values ($1, $2, $3, $4, $5, $6, $7, $8, $9)
on conflict (source, inbox) do update set
  archive_path = excluded.archive_path,
  last_archived_at = excluded.last_archived_at,
  archives = archiving.archives + excluded.archives,
  files = archiving.files + excluded.files,
  bytes = archiving.bytes + excluded.bytes,
  kept = excluded.kept,
  kept_since = excluded.kept_since
