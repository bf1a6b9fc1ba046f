-- Dimensions that a migration asked to rebuild and that are not rebuilt to the end.
select entity
from etl.rebuild
order by entity
