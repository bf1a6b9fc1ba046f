-- Removes the rows that a table had before it was distributed: its shards have them.
select truncate_local_data_after_distributing_table($1::text::regclass)
