-- One event of the entity, if there is any. In an empty warehouse a run skips the searches for loaded events and for
-- current versions.
select {entity}_id as entity_id
from landing.{entity}_event
limit 1
