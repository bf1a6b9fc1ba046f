-- The number of entities of an entity, and of their versions.
select
  '{entity}' as entity,
  (select count(*) from warehouse.dim_{entity} where valid_to is null) as entities,
  (select count(*) from warehouse.dim_{entity}) as versions
