-- Another way to say the same comes next, or the folder is no longer big.
delete from etl.old_file
where source = $1
