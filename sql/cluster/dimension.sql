-- The planner's figures of the dimension $1 whose shards are larger than $2 bytes together, as in status/dimension.sql;
-- no row where it has to be counted, since it is smaller or was never analysed. The index of current versions is $3.
with answer as (
  select result::jsonb as figures
  from run_command_on_all_nodes(
    format(
      $command$
        select
          jsonb_build_object(
            'versions', sum(reltuples) filter (where relkind = 'r'),
            'current_versions', sum(reltuples) filter (where relkind = 'i')
          )
        from pg_class
        where reltuples > 0 and relname ~ %L
      $command$,
      format('^(%s|%s)_[0-9]+$', $1::text, $3::text)
    )
  )
),

dimension as (
  select
    sum((figures ->> 'versions')::numeric)::bigint as versions,
    sum((figures ->> 'current_versions')::numeric)::bigint as current_versions
  from answer
)

select
  $1 as dimension,
  versions as rows,
  least(versions, current_versions) as current_rows,
  true as is_estimate
from dimension
where citus_relation_size(format('warehouse.%s', $1)::regclass) > $2
  and versions is not null
  and current_versions is not null
