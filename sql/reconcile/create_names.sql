-- The names of the files in a folder, for the length of the transaction.
create temporary table inbox_file (file_name text not null) on commit drop
