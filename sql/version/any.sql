-- One version of the entity, if there is any.
select {entity}_id as entity_id
from warehouse.dim_{entity}
limit 1
