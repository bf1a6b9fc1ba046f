-- The next surrogate key is higher than every one that exists. Keys are given under the dimension's lock, so nobody has
-- advanced the sequence since they were compared.
select setval(pg_get_serial_sequence('warehouse.dim_{entity}', '{entity}_key'), $1::bigint)
