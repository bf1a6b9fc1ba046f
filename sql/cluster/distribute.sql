-- Distributes a table by this column. Rows of one entity lie on the same node as those of the third argument's table.
select create_distributed_table($1::text::regclass, $2::text, colocate_with => $3::text)
