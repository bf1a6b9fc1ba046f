-- The number of keys of an entity by class of their number of versions. $1 are the lower bounds of the classes.
select '{entity}' as entity, width_bucket(versions, $1::bigint[]) as class, count(*) as keys
from (select count(*) as versions from warehouse.dim_{entity} group by {entity}_id) as keys
group by class
