-- Null where there is no schema yet.
select nextval(to_regclass('etl.run_run_id_seq'))
