-- The old files of a source.
select fingerprints
from etl.old_file
where source = $1
