-- Locks a dimension until the transaction ends, and returns whether the database has Citus, and which was the highest
-- surrogate key of the dimension that was removed. If that was before a wait for the lock, it does no harm: who had the
-- lock has advanced the sequence.
select
  pg_advisory_xact_lock($1, $2),
  exists (select from pg_extension where extname = 'citus') as has_extension,
  (select highest_key from etl.removed_version where entity = $3) as removed_key
