-- How far each folder has been loaded: a row for each checkpoint, and one for each source of $1 that has none, in the
-- order of $1. A run is working on a folder while its claim is valid, and the claim is void once its server process has
-- ended. Of the pending files of a folder, the one that has been pending longest.
with source as (
  select name, place from unnest($1::text[]) with ordinality as source (name, place)
),

oldest_pending as (
  select distinct on (source, inbox) source, inbox, file_name, reason, pending_since
  from etl.pending_file
  order by source, inbox, pending_since, file_name
)

select
  coalesce(checkpoint.source, source.name) as source,
  coalesce(checkpoint.inbox, (select min(inbox) from etl.checkpoint)) as inbox,
  checkpoint.folder_path,
  checkpoint.offset_at,
  checkpoint.advanced_at,
  checkpoint.newest_event_at,
  checkpoint.last_scanned_at,
  coalesce(checkpoint.claimed_until > clock_timestamp(), false)
    and (checkpoint.claimed_pid is null or checkpoint.claimed_pid in (select pid from pg_stat_activity)) as running,
  coalesce(checkpoint.remaining, 0) as remaining,
  coalesce(checkpoint.pending, 0) as pending,
  oldest_pending.pending_since,
  oldest_pending.file_name as pending_file,
  oldest_pending.reason as pending_reason,
  coalesce(checkpoint.loaded, 0) as loaded,
  coalesce(checkpoint.duplicates, 0) as duplicates,
  coalesce(checkpoint.rejected, 0) as rejected,
  checkpoint.failing_since,
  checkpoint.last_failed_at,
  checkpoint.last_failure,
  checkpoint.listed,
  checkpoint.scan_ms,
  checkpoint.archivable,
  checkpoint.archivable_since,
  archiving.last_archived_at,
  archiving.archive_path,
  coalesce(archiving.files, 0) as archived
from source
full join etl.checkpoint on checkpoint.source = source.name
left join oldest_pending on oldest_pending.source = checkpoint.source and oldest_pending.inbox = checkpoint.inbox
left join etl.archiving on archiving.source = checkpoint.source and archiving.inbox = checkpoint.inbox
order by source.place, checkpoint.source, checkpoint.inbox
