-- Locks a dimension until the transaction ends, and says whether the database has Citus.
select
  pg_advisory_xact_lock($1, $2),
  exists (select from pg_extension where extname = 'citus') as has_extension
