-- How many runs and open rejections there are.
select
  (select count(*) from etl.run) as runs,
  (select count(*) from landing.rejected_event where resolved_at is null) as open_rejections
