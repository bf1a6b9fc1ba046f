-- Claims the checkpoints of these sources for a run, those that no other run has, and returns them as they are. Draws
-- the number of the run unless it has one from an earlier claim. A claim is void when it has expired, which its run
-- prevents by renewing it, or when the server process that made it has ended.
--
-- A process that serves other clients too says nothing of the run: behind a connection pooler it goes on when the run is
-- killed, and ends while the run goes on. A claim that was made through a pooler has no process, and expires. A pooler
-- sets the name of the program, which a client sends when it connects.
--
-- The highest number that a run has tells whether the sequence was left behind by a restore.
with number as materialized (
  select coalesce($4::bigint, nextval(pg_get_serial_sequence('etl.run', 'run_id'))) as run_id
),

process as materialized (
  select case when source = 'client' then pg_backend_pid() end as pid
  from pg_settings
  where name = 'application_name'
),

claimable as (
  select source, inbox
  from etl.checkpoint
  where source = any($1::text[])
    and inbox = $2
    and (
      claimed_until is null
      or claimed_until < clock_timestamp()
      or (claimed_pid is not null and claimed_pid not in (select pid from pg_stat_activity))
    )
  order by source
  for update skip locked
)

update etl.checkpoint
set
  claimed_by = number.run_id,
  claimed_until = clock_timestamp() + make_interval(secs => $3),
  claimed_pid = process.pid
from claimable, number, process
where checkpoint.source = claimable.source and checkpoint.inbox = claimable.inbox
returning
  number.run_id,
  (select coalesce(max(run.run_id), 0) from etl.run) as highest_run_id,
  checkpoint.source, checkpoint.folder_inode, checkpoint.folder_born_ns, checkpoint.offset_at, checkpoint.pending,
  (
    select min(pending_file.pending_since)
    from etl.pending_file
    where pending_file.source = checkpoint.source and pending_file.inbox = checkpoint.inbox
  ) as pending_since,
  checkpoint.remaining
