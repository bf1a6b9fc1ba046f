-- The files that a folder's last run left pending.
select file_name
from etl.pending_file
where source = $1 and inbox = $2
