-- Names of the files of a folder that have an open or dismissed rejection, at most $3.
select file_name
from landing.rejected_event
where source = $1 and inbox = $2 and (resolved_at is null or resolution = 'dismissed')
limit $3
