-- The checkpoints of these sources, without a claim on them.
select
  checkpoint.source, checkpoint.folder_inode, checkpoint.folder_born_ns, checkpoint.offset_at, checkpoint.pending,
  (
    select min(pending_file.pending_since)
    from etl.pending_file
    where pending_file.source = checkpoint.source and pending_file.inbox = checkpoint.inbox
  ) as pending_since,
  checkpoint.remaining
from etl.checkpoint
where checkpoint.source = any($1::text[]) and checkpoint.inbox = $2
