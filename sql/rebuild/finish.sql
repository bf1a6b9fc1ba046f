-- A requested rebuild is done, unless it was requested again meanwhile.
delete from etl.rebuild
where entity = $1 and next_id = $2
