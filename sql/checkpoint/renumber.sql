-- Draws another number for a run that has claims: its first one is not the highest.
with number as materialized (
  select nextval(pg_get_serial_sequence('etl.run', 'run_id')) as run_id
),

renumbered as (
  update etl.checkpoint
  set claimed_by = number.run_id
  from number
  where claimed_by = $1
)

select run_id from number
