-- A requested rebuild goes on from another key, unless it was requested again meanwhile.
update etl.rebuild
set next_id = $3
where entity = $1 and next_id = $2
