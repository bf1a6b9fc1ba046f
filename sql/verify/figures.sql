-- How many events and versions there are of an entity.
select
  '{entity}' as entity,
  (select count(*) from landing.{entity}_event) as events,
  (select count(*) from warehouse.dim_{entity}) as versions
