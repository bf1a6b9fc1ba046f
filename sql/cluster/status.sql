-- The nodes that have or take shards: how many shards of the tables $1 each has, whether it answers, and how many rows
-- those have by its statistics. Every node is asked about tables whose names match $2.
with node as (
  select nodeid, groupid, nodename as host, nodeport as port, shouldhaveshards
  from pg_dist_node
  where isactive and noderole = 'primary'
),

placed as (
  select placement.groupid, count(*) as shards
  from pg_dist_placement as placement
  inner join pg_dist_shard as shard on shard.shardid = placement.shardid
  where shard.logicalrelid = any($1::text[]::regclass[])
  group by placement.groupid
),

answer as (
  select nodeid, success, result
  from run_command_on_all_nodes(
    format(
      $command$
        select coalesce(sum(pg_stat_get_live_tuples(oid)), 0)::bigint
        from pg_class
        where relkind = 'r' and relname ~ %L
      $command$,
      $2::text
    )
  )
)

select
  node.host,
  node.port,
  coalesce(placed.shards, 0) as shards,
  case when answer.success then answer.result::bigint end as rows,
  case when not answer.success then coalesce(answer.result, 'no answer') end as failure
from node
left join placed on placed.groupid = node.groupid
left join answer on answer.nodeid = node.nodeid
where node.shouldhaveshards or placed.shards > 0
order by node.host, node.port
