-- The migrations that were applied.
select version, name, checksum
from etl.schema_history
