-- What a scan costs, and what `etl archive` does about it.

alter table etl.checkpoint
  add column listed bigint,
  add column scan_ms bigint,
  add column archivable bigint,
  add column archivable_since timestamptz;

comment on column etl.checkpoint.listed is 'Event files that the last scan found in the folder; null before the first.';
comment on column etl.checkpoint.scan_ms is 'How long the last scan took, in milliseconds.';
comment on column etl.checkpoint.archivable is 'Those of the files that changed more than an hour before the scan: etl archive moves them into archives once they are loaded or rejected.';
comment on column etl.checkpoint.archivable_since is 'When the oldest of them changed; null if there is none.';

create table etl.archiving (
  source text not null,
  inbox text not null,
  archive_path text not null,
  last_archived_at timestamptz not null,
  archives bigint not null,
  files bigint not null,
  bytes bigint not null,
  kept bigint not null,
  kept_since timestamptz,
  primary key (source, inbox)
);

comment on table etl.archiving is 'What etl archive has done in each folder, one row for each source and inbox.';
comment on column etl.archiving.source is 'Folder of the inbox, such as users or cards.';
comment on column etl.archiving.inbox is 'Name of the inbox.';
comment on column etl.archiving.archive_path is 'Folder of the archives, as the last call was given it.';
comment on column etl.archiving.last_archived_at is 'When the last call came to its end.';
comment on column etl.archiving.archives is 'Archives that were made, since the first call.';
comment on column etl.archiving.files is 'Files that were moved into archives, since the first call.';
comment on column etl.archiving.bytes is 'Bytes of the archives, since the first call.';
comment on column etl.archiving.kept is 'Files that were old enough at the last call and stayed in the inbox.';
comment on column etl.archiving.kept_since is 'When the oldest of them changed; null if there is none.';
