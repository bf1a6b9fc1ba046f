-- Records what `etl archive` has done in a folder. Of a call that did not finish ($10), only what it archived
-- counts: it does not know what is kept.
insert into etl.archiving (
  source, inbox, archive_path, last_archived_at, archives, files, bytes, kept, kept_since
)
values ($1, $2, $3, $4, $5, $6, $7, $8, $9)
on conflict (source, inbox) do update set
  archive_path = excluded.archive_path,
  last_archived_at = case when $10::boolean then excluded.last_archived_at else archiving.last_archived_at end,
  archives = archiving.archives + excluded.archives,
  files = archiving.files + excluded.files,
  bytes = archiving.bytes + excluded.bytes,
  kept = case when $10 then excluded.kept else archiving.kept end,
  kept_since = case when $10 then excluded.kept_since else archiving.kept_since end
