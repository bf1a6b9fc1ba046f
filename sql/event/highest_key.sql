-- The highest key of the entity among events and among versions, null where there are none. Of a key above it the
-- warehouse has nothing, so a run asks nothing about it.
select max({entity}_id) as entity_id
from landing.{entity}_event
union all
select max({entity}_id) as entity_id
from warehouse.dim_{entity}
