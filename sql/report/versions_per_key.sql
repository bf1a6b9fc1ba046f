-- The number of keys of a kind by class of their number of versions. $1 are the lower bounds of the classes.
select '{kind}' as kind, width_bucket(versions, $1::bigint[]) as class, count(*) as keys
from (select count(*) as versions from warehouse.dim_{kind} group by {kind}_id) as keys
group by class
