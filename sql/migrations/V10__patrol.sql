-- Which files of a big folder are old, so that a run need not ask about each of them.

alter table etl.checkpoint
add verified_at timestamptz,
add round_began_at timestamptz,
add round_turns integer,
add round_turn integer;

comment on column etl.checkpoint.verified_at is 'Every file in a big folder has been asked for its times since then; null while every run asks every file.';
comment on column etl.checkpoint.round_began_at is 'When the present round through the old files of a big folder began.';
comment on column etl.checkpoint.round_turns is 'Runs that the present round takes.';
comment on column etl.checkpoint.round_turn is 'Number of the next of these runs, from zero.';

create table etl.old_file (
  source text not null check (source in ('users', 'cards')),
  fingerprints bytea not null
);

-- Hashes do not compress, and are read whole.
alter table etl.old_file alter column fingerprints set storage external;

comment on table etl.old_file is 'Files of big folders that changed before the stretch a run looks at. One row for some of them; losing rows costs a run that asks every file, and nothing else.';
comment on column etl.old_file.source is 'Folder of the inbox: users or cards.';
comment on column etl.old_file.fingerprints is 'Hashes of name and inode number, eight bytes each.';

comment on table etl.recent_file is 'Files already dealt with that changed after the smaller of offset and verified_at − overlap: a run looks at that stretch again and skips these. One row for each time a file was dealt with.';
