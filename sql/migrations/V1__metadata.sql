-- The loader's metadata: how far each folder has been loaded, which files were processed lately, what the runs did.
--
-- Migrations are append-only from here on: a change of the schema is a new file. Their text is ASCII, so that a
-- database with another encoding can say what is wrong with it.

do $$
begin
  if current_setting('server_encoding') <> 'UTF8' then
    raise exception 'the database has the encoding %, and events are UTF-8', current_setting('server_encoding')
      using hint = 'Create the database with: create database NAME encoding ''UTF8'' template template0';
  end if;
end
$$;

comment on schema etl is 'Metadata of the loader: checkpoints, files processed lately, runs.';

comment on table etl.schema_history is 'Migrations applied to this database, one row each.';
comment on column etl.schema_history.version is 'Number of the migration.';
comment on column etl.schema_history.name is 'Name of the migration.';
comment on column etl.schema_history.applied_on is 'When it was applied, RFC 3339.';
comment on column etl.schema_history.checksum is 'Checksum of its text; a changed text is refused.';

-- Half of each page stays free, so that the update of every run stays on its page and touches no index.
create table etl.checkpoint (
  source text not null,
  inbox text not null,
  folder_path text,
  folder_inode bigint,
  folder_born_ns bigint,
  offset_at timestamptz,
  advanced_at timestamptz,
  last_scanned_at timestamptz,
  newest_event_at timestamptz,
  loaded bigint not null default 0,
  duplicates bigint not null default 0,
  rejected bigint not null default 0,
  pending bigint not null default 0,
  remaining bigint not null default 0 check (remaining >= 0),
  failing_since timestamptz,
  last_failed_at timestamptz,
  last_failure text,
  claimed_by bigint,
  claimed_until timestamptz,
  claimed_pid integer,
  primary key (source, inbox)
) with (fillfactor = 50);

comment on table etl.checkpoint is 'How far each folder has been loaded, one row for each source and inbox; advanced in the transaction that loads the data.';
comment on column etl.checkpoint.source is 'Folder of the inbox, such as users or cards.';
comment on column etl.checkpoint.inbox is 'Name of the inbox (--inbox-name).';
comment on column etl.checkpoint.folder_path is 'Path of the folder, as the last run was given it.';
comment on column etl.checkpoint.folder_inode is 'Inode number of the folder that the offset belongs to; null before the first run.';
comment on column etl.checkpoint.folder_born_ns is 'Birth time of that folder in nanoseconds since 1970-01-01 UTC; null where the file system has none.';
comment on column etl.checkpoint.offset_at is 'Position in the order in which files changed in the folder (inode change time, rounded down to the microsecond): every file that changed before it has been processed. Null before the first run.';
comment on column etl.checkpoint.advanced_at is 'When the offset last moved.';
comment on column etl.checkpoint.last_scanned_at is 'When a run last scanned the folder.';
comment on column etl.checkpoint.newest_event_at is 'Time of the newest event (metadata.event_at) that came from the folder; null before the first.';
comment on column etl.checkpoint.loaded is 'Files whose event was loaded, since the first run.';
comment on column etl.checkpoint.duplicates is 'Files whose event was already loaded, since the first run; a backfill counts them again.';
comment on column etl.checkpoint.rejected is 'Files rejected, since the first run; a backfill counts them again.';
comment on column etl.checkpoint.pending is 'Files that the last run left pending.';
comment on column etl.checkpoint.remaining is 'Files that the last run found and has not read yet: it is still running, or was interrupted.';
comment on column etl.checkpoint.failing_since is 'When the first of the latest unbroken series of failed runs began; null if the last run did not fail.';
comment on column etl.checkpoint.last_failed_at is 'When a run last failed.';
comment on column etl.checkpoint.last_failure is 'Why it failed.';
comment on column etl.checkpoint.claimed_by is 'Run that is working on the folder (etl.run); null if there is none.';
comment on column etl.checkpoint.claimed_until is 'When that claim expires unless the run renews it.';
comment on column etl.checkpoint.claimed_pid is 'Server process of that run: the claim is void once the process has ended. Null behind a connection pooler, whose processes serve other clients too.';

-- Read and deleted as a whole range, by the ten thousand: an index took longer than all the rows. Without a key, the
-- row itself is what a publication identifies a deleted row by.
create table etl.recent_file (
  source text not null,
  inbox text not null,
  file_name text not null,
  inode bigint not null,
  size bigint not null,
  modified_ns bigint not null,
  changed_ns bigint not null
);
alter table etl.recent_file replica identity full;

comment on table etl.recent_file is 'Files that were processed and that changed after offset - overlap: a run scans that range again and skips these.';
comment on column etl.recent_file.source is 'Folder of the inbox, such as users or cards.';
comment on column etl.recent_file.inbox is 'Name of the inbox.';
comment on column etl.recent_file.file_name is 'Name in the folder; a byte that is not UTF-8 is written \xNN, a backslash \\.';
comment on column etl.recent_file.inode is 'Inode number of the file when it was read.';
comment on column etl.recent_file.size is 'Its size in bytes.';
comment on column etl.recent_file.modified_ns is 'Its modification time in nanoseconds since 1970-01-01 UTC.';
comment on column etl.recent_file.changed_ns is 'Its inode change time in nanoseconds since 1970-01-01 UTC (a timestamptz would lose the last three digits).';

create table etl.pending_file (
  source text not null,
  inbox text not null,
  file_name text not null,
  pending_since timestamptz not null,
  reason text not null,
  primary key (source, inbox, file_name)
);

comment on table etl.pending_file is 'Files that the last run left pending (of many, the first thousand).';
comment on column etl.pending_file.source is 'Folder of the inbox, such as users or cards.';
comment on column etl.pending_file.inbox is 'Name of the inbox.';
comment on column etl.pending_file.file_name is 'Name in the folder; a byte that is not UTF-8 is written \xNN, a backslash \\.';
comment on column etl.pending_file.pending_since is 'When a run first left this file pending.';
comment on column etl.pending_file.reason is 'Why it is pending, as a sentence.';

create table etl.run (
  run_id bigint generated always as identity primary key,
  command text not null check (command in ('run', 'backfill', 'reconcile', 'retry')),
  inbox text not null,
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
  versions_changed bigint not null,
  lost bigint not null default 0,
  constraint run_lost check (lost between 0 and loaded),
  check (files = loaded + duplicates + rejected + pending)
) with (fillfactor = 80);

comment on table etl.run is 'One row for each run that processed something.';
comment on column etl.run.run_id is 'Number of the run; landing.*.run_id refers to it. Numbers follow the order in which runs load; some are missing.';
comment on column etl.run.command is 'run from cron, backfill with --since, reconcile by names, or retry of rejected files.';
comment on column etl.run.inbox is 'Name of the inbox; of a retry, that of the rejections.';
comment on column etl.run.sources is 'Folders that the run scanned; of a retry, those whose rejections it validated again.';
comment on column etl.run.since is 'Start given with --since; null for other runs.';
comment on column etl.run.started_at is 'When the run began.';
comment on column etl.run.finished_at is 'When its last batch was ready to commit.';
comment on column etl.run.files is 'Files that the run read: the sum of loaded, duplicates, rejected and pending.';
comment on column etl.run.loaded is 'Files whose event was loaded.';
comment on column etl.run.duplicates is 'Files whose event was already loaded.';
comment on column etl.run.rejected is 'Files kept in landing.rejected_event.';
comment on column etl.run.pending is 'Files left pending.';
comment on column etl.run.versions_opened is 'Versions written to the dimensions.';
comment on column etl.run.versions_closed is 'Versions that got an end: current before or written in this run, and ended after it.';
comment on column etl.run.versions_changed is 'Versions of earlier runs that got other content or another period, or that a longer version replaced; those that only got an end are not among them.';
comment on column etl.run.lost is 'Events that the run loaded and that were deleted from landing since, as the last etl rebuild found.';

create table etl.rebuild (
  entity text primary key,
  next_id bigint not null
);

comment on table etl.rebuild is 'Dimensions that a migration asked to rebuild; the next etl migrate or etl run does it.';
comment on column etl.rebuild.entity is 'Entity, such as user or card.';
comment on column etl.rebuild.next_id is 'First natural key that is still to be rebuilt.';

create function etl.request_rebuild(entity text) returns void
language plpgsql
as $$
begin
  if to_regclass(format('warehouse.dim_%s', entity)) is null then
    raise exception 'there is no dimension of the entity %', entity;
  end if;
  insert into etl.rebuild (entity, next_id)
  values (request_rebuild.entity, -9223372036854775808)
  on conflict on constraint rebuild_pkey do update set next_id = excluded.next_id;
end
$$;

comment on function etl.request_rebuild(text) is 'Asks the next etl migrate or etl run to rebuild the dimension of an entity from its events. For migrations that change what the events make of it.';
