-- Versions and current versions of each dimension.
select 'dim_user', count(*), count(*) filter (where valid_to is null)
from warehouse.dim_user
union all
select 'dim_card', count(*), count(*) filter (where valid_to is null)
from warehouse.dim_card
