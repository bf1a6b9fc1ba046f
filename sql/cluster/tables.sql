-- How many shards each of these tables has; null where it is not distributed.
select
  wanted.name,
  (
    select count(*)
    from pg_dist_shard as shard
    where shard.logicalrelid = distributed.logicalrelid
  ) as shards,
  distributed.logicalrelid is not null as is_distributed
from unnest($1::text[]) with ordinality as wanted (name, place)
left join pg_dist_partition as distributed on distributed.logicalrelid = to_regclass(wanted.name)
order by wanted.place
