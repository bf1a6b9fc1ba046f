-- Files of a source of which some version was rejected, up to a limit: past it, asking for each file is quicker than to
-- go through them all.
select file_name
from landing.rejected_event
where source = $1
limit $2
