-- The versions of one key.
select
  {entity}_key as version_key, valid_from, valid_to, event_id, {attributes}
from warehouse.dim_{entity}
where {entity}_id = $1
order by valid_from
