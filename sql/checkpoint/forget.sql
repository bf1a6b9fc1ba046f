-- Files that changed before the stretch that is looked at again need not be remembered.
delete from etl.recent_file
where source = $1 and changed_ns < $2
