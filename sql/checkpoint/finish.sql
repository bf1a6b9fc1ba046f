-- The run is done: notes what it has scanned and gives all its claims back. Parallel arrays, one element a folder.
with scanned as (
  select source, listed, scan_ms, archivable, archivable_since
  from unnest($2::text[], $4::bigint[], $5::bigint[], $6::bigint[], $7::timestamptz[])
    as scanned (source, listed, scan_ms, archivable, archivable_since)
),

noted as (
  select
    checkpoint.source, checkpoint.inbox, scanned.source is not null as is_scanned,
    scanned.listed, scanned.scan_ms, scanned.archivable, scanned.archivable_since
  from etl.checkpoint
  left join scanned on scanned.source = checkpoint.source
  where checkpoint.claimed_by = $1
)

update etl.checkpoint
set
  last_scanned_at = case when noted.is_scanned then $3 else checkpoint.last_scanned_at end,
  listed = case when noted.is_scanned then noted.listed else checkpoint.listed end,
  scan_ms = case when noted.is_scanned then noted.scan_ms else checkpoint.scan_ms end,
  archivable = case when noted.is_scanned then noted.archivable else checkpoint.archivable end,
  archivable_since = case when noted.is_scanned then noted.archivable_since else checkpoint.archivable_since end,
  failing_since = case when noted.is_scanned then null else checkpoint.failing_since end,
  claimed_by = null,
  claimed_until = null,
  claimed_pid = null
from noted
where checkpoint.source = noted.source and checkpoint.inbox = noted.inbox and checkpoint.claimed_by = $1
