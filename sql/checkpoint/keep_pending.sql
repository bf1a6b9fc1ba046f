-- Replaces the pending files of a folder; a file that was pending before keeps the time since when. The file system may
-- list a file twice.
with pending as (
  select distinct on (file_name) file_name, reason
  from unnest($4::text[], $5::text[]) as pending (file_name, reason)
),

ended as (
  delete from etl.pending_file
  where source = $1
    and inbox = $2
    and file_name not in (select pending.file_name from pending)
)

insert into etl.pending_file (source, inbox, file_name, pending_since, reason)
select $1, $2, pending.file_name, $3, pending.reason
from pending
on conflict (source, inbox, file_name) do update set reason = excluded.reason
