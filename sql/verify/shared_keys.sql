-- Surrogate keys that identify several versions, with up to ten natural keys of these: the first $1, and how many there are.
select
  {entity}_key as version_key,
  count(*) as versions,
  (array_agg(distinct {entity}_id order by {entity}_id))[1:10] as entity_ids,
  count(*) over () as total
from warehouse.dim_{entity}
group by {entity}_key
having count(*) > 1
order by {entity}_key
limit $1
