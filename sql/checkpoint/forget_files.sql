-- Deletes files that changed before the range that is scanned again.
delete from etl.recent_file
where source = $1 and inbox = $2 and changed_ns < $3
