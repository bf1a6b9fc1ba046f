-- At each worker: how many transactions that are prepared and not ended hold a shard of one of the tables whose names
-- match this pattern. What they have written can be read once they have ended. Of all locks, those of prepared
-- transactions alone are held by no process.
select
  worker.nodename as host,
  worker.nodeport as port,
  worker.success as answers,
  worker.result
from run_command_on_workers(
  format(
    $command$
      select count(distinct lock.virtualtransaction)
      from pg_locks as lock
      inner join pg_class as shard on shard.oid = lock.relation
      inner join pg_database as database on database.oid = lock.database and database.datname = current_database()
      where lock.pid is null
        and lock.locktype = 'relation'
        and shard.relname ~ %L
    $command$,
    $1::text
  )
) as worker
