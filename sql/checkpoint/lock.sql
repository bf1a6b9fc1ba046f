-- The sources that a run still has a claim on, locked for the length of the transaction: what it does rests on the
-- checkpoints that it claimed.
select source
from etl.checkpoint
where claimed_by = $1
order by source
for update
