-- Whether this server is the coordinator of a cluster, and how many of the nodes take shards.
select
  citus_is_coordinator() as is_coordinator,
  (
    select count(*)
    from pg_dist_node
    where isactive and noderole = 'primary' and shouldhaveshards
  ) as shard_nodes
