-- The next run has a higher number than every run there is.
select setval(pg_get_serial_sequence('etl.run', 'run_id'), $1::bigint)
