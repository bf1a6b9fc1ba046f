-- Dismisses the next selected rejections that are open, with who does it and why. Null selects all.
--
-- Those that a run is changing are skipped: waiting for the run while it waits for others of these would be a deadlock.
with selected as materialized (
  select rejected_id
  from landing.rejected_event
  where ($1::text is null or reason = $1)
    and ($2::text is null or source = $2)
    and ($3::text is null or entity = $3)
    and ($4::bigint is null or entity_id = $4)
    and ($5::timestamptz is null or rejected_at >= $5)
    and ($6::timestamptz is null or rejected_at < $6)
    and ($7::bigint[] is null or rejected_id = any($7))
    and resolved_at is null
    and rejected_id > $8
  order by rejected_id
  limit $9
),

locked as (
  select rejected.rejected_id
  from selected
  inner join landing.rejected_event as rejected using (rejected_id)
  where rejected.resolved_at is null
  for update of rejected skip locked
),

dismissed as (
  update landing.rejected_event as rejected
  set resolved_at = now(), resolution = 'dismissed', dismissed_by = current_user, note = $10
  from locked
  where rejected.rejected_id = locked.rejected_id
  returning rejected.rejected_id
)

select
  (select count(*) from selected) as selected,
  (select count(*) from dismissed) as dismissed,
  (select max(rejected_id) from selected) as last_id
