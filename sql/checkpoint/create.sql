-- Adds the checkpoints of folders that were never loaded. Of those that there are, none is touched: an insert that
-- conflicts would wait for the batch that is about to advance it.
insert into etl.checkpoint (source, inbox)
select source, $2
from unnest($1::text[]) as source
where source not in (select checkpoint.source from etl.checkpoint where checkpoint.inbox = $2)
order by source
on conflict (source, inbox) do nothing
