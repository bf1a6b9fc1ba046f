-- A run that found nothing new leaves no row of its own: it renews the newest one over the same folders.
update etl.run
set looks = looks + 1, looked_at = $2
where run_id = (
  select run_id
  from etl.run
  where sources = $1
  order by run_id desc
  limit 1
)
