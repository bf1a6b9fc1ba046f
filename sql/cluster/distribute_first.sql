-- Distributes the first table by this column, in so many shards.
select create_distributed_table($1::text::regclass, $2::text, colocate_with => 'none', shard_count => $3::integer)
