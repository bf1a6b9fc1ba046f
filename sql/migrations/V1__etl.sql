-- The loader's own books: how far it has come, what it has just seen, what its runs did.

do $$
begin
  if current_setting('server_encoding') <> 'UTF8' then
    raise exception 'the database has the encoding %, and events are UTF-8', current_setting('server_encoding')
      using hint = 'Create the database with: create database … encoding ''UTF8'' template template0';
  end if;
end
$$;

comment on schema etl is 'The loader''s own books: checkpoints, files seen lately, runs.';

comment on table etl.schema_history is 'Migrations applied to this database, one row each.';
comment on column etl.schema_history.version is 'Number of the migration.';
comment on column etl.schema_history.name is 'Name of the migration.';
comment on column etl.schema_history.applied_on is 'When it was applied, RFC 3339.';
comment on column etl.schema_history.checksum is 'Checksum of its text; a changed text is refused.';

create table etl.checkpoint (
  source text primary key check (source in ('users', 'cards')),
  offset_at timestamptz,
  advanced_at timestamptz,
  loaded bigint not null default 0,
  duplicates bigint not null default 0,
  rejected bigint not null default 0,
  pending bigint not null default 0
) with (fillfactor = 50);

comment on table etl.checkpoint is 'How far each source has been loaded; written in the transaction that loads the data.';
comment on column etl.checkpoint.source is 'Folder of the inbox: users or cards.';
comment on column etl.checkpoint.offset_at is 'Position in the order in which files changed in the folder (inode change time, rounded down to the microsecond); every file that changed before it has been dealt with. Null until the first run.';
comment on column etl.checkpoint.advanced_at is 'When the offset last moved.';
comment on column etl.checkpoint.loaded is 'Files whose event was loaded, since the first run.';
comment on column etl.checkpoint.duplicates is 'Files whose event was already there, since the first run; a backfill counts them again.';
comment on column etl.checkpoint.rejected is 'Files rejected, since the first run; a backfill counts them again.';
comment on column etl.checkpoint.pending is 'Files that the last run left for a later one because their document had not ended.';

insert into etl.checkpoint (source) values ('users'), ('cards');

-- The key leads with the source, so that a run reads one contiguous stretch. No foreign key: checked row by row, it
-- took longer than loading the events.
create table etl.recent_file (
  source text not null check (source in ('users', 'cards')),
  file_name text not null,
  changed_ns bigint not null,
  primary key (source, file_name)
);

comment on table etl.recent_file is 'Files already dealt with that changed after offset − overlap: a run looks at that stretch again and skips these.';
comment on column etl.recent_file.source is 'Folder of the inbox: users or cards.';
comment on column etl.recent_file.file_name is 'Name in the folder; a byte that is not UTF-8 stands as \xNN, a backslash as \\.';
comment on column etl.recent_file.changed_ns is 'Inode change time of the version that was dealt with, in nanoseconds since 1970-01-01 UTC (a timestamptz would lose the last three digits).';

create table etl.run (
  run_id bigint generated always as identity primary key,
  sources text[] not null,
  since timestamptz,
  started_at timestamptz not null,
  finished_at timestamptz not null,
  files bigint not null,
  loaded bigint not null,
  duplicates bigint not null,
  rejected bigint not null,
  pending bigint not null,
  versions_opened bigint not null,
  versions_closed bigint not null,
  looks bigint not null default 0,
  looked_at timestamptz not null,
  check (files = loaded + duplicates + rejected + pending)
) with (fillfactor = 80);

-- Finds the newest run over the same folders.
create index run_sources on etl.run (sources, run_id);

comment on table etl.run is 'One row for each run that found something. Runs that find nothing new only renew looked_at of the newest row.';
comment on column etl.run.run_id is 'Number of the run; landing.*.run_id refers to it. Numbers may be missing.';
comment on column etl.run.sources is 'Folders that the run looked at.';
comment on column etl.run.since is 'Start given with --since; null for a run from the checkpoint.';
comment on column etl.run.started_at is 'When the run began.';
comment on column etl.run.finished_at is 'When its last batch was ready to commit.';
comment on column etl.run.files is 'Files that the run looked at: the sum of loaded, duplicates, rejected and pending.';
comment on column etl.run.loaded is 'Files whose event was loaded.';
comment on column etl.run.duplicates is 'Files whose event was already there.';
comment on column etl.run.rejected is 'Files kept in landing.rejected_event.';
comment on column etl.run.pending is 'Files left for a later run because their document had not ended.';
comment on column etl.run.versions_opened is 'Versions written to the dimensions.';
comment on column etl.run.versions_closed is 'Versions that got an end: current before or written in this run, and ended after it.';
comment on column etl.run.looks is 'Later runs over the same folders that found nothing new.';
comment on column etl.run.looked_at is 'When a run last looked at these folders: this one, or a later one that found nothing new.';
