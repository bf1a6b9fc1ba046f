-- The folder was listed and nothing in it was left to be dealt with.
update etl.checkpoint
set folder_inode = $2, folder_changed_ns = $3, listed_at = $4
where source = $1
