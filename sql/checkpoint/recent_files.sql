-- The files that a folder's runs have processed and that changed after offset - overlap.
select file_name, inode, size, modified_ns, changed_ns
from etl.recent_file
where source = $1 and inbox = $2
