-- How far a requested rebuild has come.
select next_id
from etl.rebuild
where entity = $1
