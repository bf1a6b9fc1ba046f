-- What the warehouse holds now.
select
  (select count(*) from warehouse.user_current) as users,
  (select count(*) from warehouse.dim_user) as user_versions,
  (select count(*) from warehouse.card_current) as cards,
  (select count(*) from warehouse.card_current where active) as active_cards,
  (select count(*) from warehouse.dim_card) as card_versions,
  (select count(*) from warehouse.card_without_user) as cards_without_user
