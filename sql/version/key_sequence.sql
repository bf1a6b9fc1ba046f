-- The highest surrogate key that exists and the last number that the sequence gave, where the sequence is behind: it
-- was left behind by a restore or a replication, which copy rows and not sequences.
with key as (
  select
    (select max({entity}_key) from warehouse.dim_{entity}) as highest,
    pg_sequence_last_value(pg_get_serial_sequence('warehouse.dim_{entity}', '{entity}_key')) as last_given
)

select highest, coalesce(last_given, 0) as last_given
from key
where highest > coalesce(last_given, 0)
