-- The highest surrogate key that exists or, $1, was removed, and the last number that the sequence gave, where the
-- sequence is behind: it was left behind by a restore or a replication, which copy rows and not sequences.
with key as (
  select
    greatest((select max({entity}_key) from warehouse.dim_{entity}), $1::bigint) as highest,
    pg_sequence_last_value(pg_get_serial_sequence('warehouse.dim_{entity}', '{entity}_key')) as last_given
)

select highest, coalesce(last_given, 0) as last_given
from key
where highest > coalesce(last_given, 0)
