-- Events of an entity by the run that loaded them.
select run_id, count(*) as events
from landing.{entity}_event
group by run_id
