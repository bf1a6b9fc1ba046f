-- The totals that only cards have.
select
  (select count(*) from warehouse.card_current where active) as active,
  (select count(*) from warehouse.card_without_user) as without_user
