-- The next run has a higher number than every run there is. Another run may have done this since the numbers were
-- compared: the sequence is never set back.
with number as (
  select pg_get_serial_sequence('etl.run', 'run_id') as sequence, $1::bigint as highest
)

select setval(sequence, highest)
from number
where highest > coalesce(pg_sequence_last_value(sequence), 0)
