-- Files that have grown old.
insert into etl.old_file (source, fingerprints)
values ($1, $2)
