select nextval(pg_get_serial_sequence('etl.run', 'run_id'))
