-- Checkpoints whose offset is after the clock.
select source, inbox, (offset_at at time zone 'UTC')::text || ' UTC' as offset_at
from etl.checkpoint
where offset_at > $1
order by inbox, source
