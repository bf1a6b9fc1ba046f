-- Adds the checkpoints of folders that were never loaded.
insert into etl.checkpoint (source, inbox)
select source, $2
from unnest($1::text[]) as source
on conflict (source, inbox) do nothing
