-- Writes new versions; those they follow have been given their ends before.
copy warehouse.dim_user (
  user_id, valid_from, valid_to, event_id,
  name, address, job, score
)
from stdin with (format binary)
