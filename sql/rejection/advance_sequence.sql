-- Advances the sequence of rejections where it is behind the numbers that exist: it was left behind by a restore or a
-- replication, which copy rows and not sequences. Returns what was found then. The last number given is read right
-- before the sequence is set, whatever other runs have not committed yet, so none of their numbers is given again.
with number as (
  select
    (select max(rejected_id) from landing.rejected_event) as highest,
    coalesce(pg_sequence_last_value(pg_get_serial_sequence('landing.rejected_event', 'rejected_id')), 0) as last_given
)

select
  highest,
  last_given,
  setval(pg_get_serial_sequence('landing.rejected_event', 'rejected_id'), highest) as advanced_to
from number
where highest > last_given
