-- How much there is.
select
  (select count(*) from landing.user_event) as user_events,
  (select count(*) from landing.card_event) as card_events,
  (select count(*) from warehouse.dim_user) as user_versions,
  (select count(*) from warehouse.dim_card) as card_versions,
  (select count(*) from landing.rejected_event where resolved_at is null) as open_rejections,
  (select count(*) from etl.run) as runs
