-- The effective events of these keys, in order: of the events of one time, the last one is effective.
select distinct on (event.{entity}_id, event.event_at)
  event.{entity}_id as entity_id, event.event_at, event.event_id, {event.attributes}
from unnest($1::bigint[]) as wanted (entity_id)
inner join landing.{entity}_event as event on event.{entity}_id = wanted.entity_id
order by event.{entity}_id, event.event_at, event.file_modified_at desc, event.event_id desc
