-- The change of the number of active cards in each bucket, and before the first bucket (null). Parameters as in
-- volume.sql.
with changes as (
  select valid_from as changed_at, 1 as change
  from warehouse.dim_card
  where active
  union all
  select valid_to as changed_at, -1 as change
  from warehouse.dim_card
  where active and valid_to is not null
),

bucketed_changes as (
  select
    case when changed_at >= $2 then date_bin(make_interval(secs => $1), changed_at, $2) end as bucket,
    change
  from changes
  where changed_at < $3
)

select bucket, sum(change) as change
from bucketed_changes
group by bucket
