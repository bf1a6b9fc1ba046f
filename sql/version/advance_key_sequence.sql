-- The next surrogate key is higher than every one that exists.
select setval(pg_get_serial_sequence('warehouse.dim_{entity}', '{entity}_key'), $1::bigint)
