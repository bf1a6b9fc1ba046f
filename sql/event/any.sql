-- One event of the entity, if there is any. A first load need not look for what its events may meet.
select {entity}_id as entity_id
from landing.{entity}_event
limit 1
