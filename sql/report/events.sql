-- The events of an entity. Other statements take their union over all entities in place of the hole `events`.
select '{entity}' as entity, event_at, file_modified_at, run_id
from landing.{entity}_event
