-- The files that a source's runs have already dealt with and will see again.
select file_name, changed_ns
from etl.recent_file
where source = $1
