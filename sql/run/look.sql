-- A run that found nothing new leaves no row of its own: it renews the newest one over the same folders.
--
-- "between" and not "=": after "=", the planner takes the order for that of the number alone and walks through all runs
-- by number, to find that there is none over these folders.
update etl.run
set looks = looks + 1, looked_at = $2
where run_id = (
  select run_id
  from etl.run
  where sources between $1 and $1
  order by sources desc, run_id desc
  limit 1
)
