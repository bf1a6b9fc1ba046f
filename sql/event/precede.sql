-- Gives loaded events the file that counts among their copies: the earliest one whose modification time has a fraction
-- of a second, or the earliest of all if none has. (Archives and object stores round times down to the second, and a
-- rounded copy must not move an event within its second.) Returns the times of the events that moved.
--
-- The zone is named because Citus takes no function in an update that depends on the session's.
with copy as materialized (
  select distinct on (entity_id, event_id) entity_id, event_id, file_name, file_modified_at
  from unnest($1::bigint[], $2::uuid[], $3::text[], $4::timestamptz[])
    as copy (entity_id, event_id, file_name, file_modified_at)
  order by
    entity_id, event_id,
    file_modified_at at time zone 'UTC' = date_trunc('second', file_modified_at at time zone 'UTC'),
    file_modified_at, file_name
)

update landing.{entity}_event as event
set file_name = copy.file_name, file_modified_at = copy.file_modified_at
from copy
where event.{entity}_id = copy.entity_id
  and event.event_id = copy.event_id
  and (
    copy.file_modified_at at time zone 'UTC' = date_trunc('second', copy.file_modified_at at time zone 'UTC'),
    copy.file_modified_at
  ) < (
    event.file_modified_at at time zone 'UTC' = date_trunc('second', event.file_modified_at at time zone 'UTC'),
    event.file_modified_at
  )
returning event.{entity}_id as entity_id, event.event_at
