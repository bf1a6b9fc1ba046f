-- Gives known events the earliest file they came in, so that their place among the events of one second does
-- not depend on which copy arrived first; answers with the moments that this touched.
with copy as (
  select distinct on (user_id, event_id) user_id, event_id, file_name, file_modified_at
  from unnest($1::bigint[], $2::uuid[], $3::text[], $4::timestamptz[])
    as copy (user_id, event_id, file_name, file_modified_at)
  order by user_id, event_id, file_modified_at, file_name
)

update landing.user_event as known
set file_name = copy.file_name, file_modified_at = copy.file_modified_at
from copy
where known.user_id = copy.user_id
  and known.event_id = copy.event_id
  and known.file_modified_at > copy.file_modified_at
returning known.user_id, known.event_at
