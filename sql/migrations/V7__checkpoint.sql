-- What a run can know of a source without looking at its files.

alter table etl.checkpoint
add newest_event_at timestamptz,
add folder_inode bigint,
add folder_changed_ns bigint,
add listed_at timestamptz,
add check ((folder_inode is null) = (folder_changed_ns is null) and (folder_inode is null) = (listed_at is null));

comment on column etl.checkpoint.newest_event_at is 'Time of the newest event (metadata.event_at) that came from the folder; null until the first.';
comment on column etl.checkpoint.folder_inode is 'Inode number of the folder when it was last listed and nothing in it was left to be dealt with; null until then.';
comment on column etl.checkpoint.folder_changed_ns is 'Change time of the folder at that listing, in nanoseconds since 1970-01-01 UTC: no file has come or gone while it stays.';
comment on column etl.checkpoint.listed_at is 'When that listing began. For as long as the folder stays as it was, the next one is made an overlap later: a file that is changed in place does not change its folder.';

-- By table, since the rows do not know their folder; the services write to their own.
update etl.checkpoint
set newest_event_at = case source
  when 'users' then (select max(event_at) from landing.user_event)
  else (select max(event_at) from landing.card_event)
end;
