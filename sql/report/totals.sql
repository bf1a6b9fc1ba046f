-- The number of entities of a kind, and of their versions.
select
  '{kind}' as kind,
  (select count(*) from warehouse.{kind}_current) as entities,
  (select count(*) from warehouse.dim_{kind}) as versions
