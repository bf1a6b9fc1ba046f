-- Versions and current versions of each dimension. Up to $1 bytes they are counted. Counting a larger table would take
-- seconds and read all of it, so the planner's own figure serves: the rows of a page when the table was last analysed,
-- times the pages that there are now. One that was never analysed is counted whatever its size. Of the two ways, only
-- the one that is chosen is executed.
with relation as (
  select
    oid,
    pg_relation_size(oid) as size,
    case when reltuples > 0 and relpages > 0
      then round(reltuples::numeric / relpages * pg_relation_size(oid) / current_setting('block_size')::integer)::bigint
    end as estimate
  from pg_class
  where oid in (
    'warehouse.dim_user'::regclass, 'warehouse.dim_user_current'::regclass,
    'warehouse.dim_card'::regclass, 'warehouse.dim_card_current'::regclass
  )
),

dimension as (
  select
    dimension.oid,
    versions.estimate as versions,
    current_versions.estimate as current_versions,
    versions.size > $1 and versions.estimate is not null and current_versions.estimate is not null as is_estimate
  from (values
    ('warehouse.dim_user'::regclass, 'warehouse.dim_user_current'::regclass),
    ('warehouse.dim_card'::regclass, 'warehouse.dim_card_current'::regclass)
  ) as dimension (oid, current_index)
  inner join relation as versions on versions.oid = dimension.oid
  inner join relation as current_versions on current_versions.oid = dimension.current_index
)

select
  'dim_user' as dimension,
  case when is_estimate then versions else (select count(*) from warehouse.dim_user) end as rows,
  case when is_estimate then least(versions, current_versions)
    else (select count(*) from warehouse.dim_user where valid_to is null) end as current_rows,
  is_estimate
from dimension where oid = 'warehouse.dim_user'::regclass
union all
select
  'dim_card',
  case when is_estimate then versions else (select count(*) from warehouse.dim_card) end,
  case when is_estimate then least(versions, current_versions)
    else (select count(*) from warehouse.dim_card where valid_to is null) end,
  is_estimate
from dimension where oid = 'warehouse.dim_card'::regclass
