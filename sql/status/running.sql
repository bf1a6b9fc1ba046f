-- The locks of one class that are held in this database: a run holds one for each source that it is at.
select objid::bigint
from pg_locks
where locktype = 'advisory'
  and database = (select oid from pg_database where datname = current_database())
  and classid = $1::bigint::oid
  and objsubid = 2
  and granted
