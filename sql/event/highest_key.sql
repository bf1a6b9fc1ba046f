-- The highest key of the entity among events and among versions, null where there are none. The warehouse has nothing
-- about keys above it, so a run does not look them up.
select max({entity}_id) as entity_id
from landing.{entity}_event
union all
select max({entity}_id) as entity_id
from warehouse.dim_{entity}
