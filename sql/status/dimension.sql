-- Versions and current versions of a dimension. Up to $1 bytes they are counted. Counting a larger table would take
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
  where oid in ('warehouse.dim_{entity}'::regclass, 'warehouse.dim_{entity}_current'::regclass)
),

dimension as (
  select
    versions.estimate as versions,
    current_versions.estimate as current_versions,
    versions.size > $1 and versions.estimate is not null and current_versions.estimate is not null as is_estimate
  from relation as versions
  inner join relation as current_versions on current_versions.oid = 'warehouse.dim_{entity}_current'::regclass
  where versions.oid = 'warehouse.dim_{entity}'::regclass
)

select
  'dim_{entity}' as dimension,
  case when is_estimate then versions else (select count(*) from warehouse.dim_{entity}) end as rows,
  case when is_estimate then least(versions, current_versions)
    else (select count(*) from warehouse.dim_{entity} where valid_to is null) end as current_rows,
  is_estimate
from dimension
