-- Writes new versions; those they follow have been given their ends before.
copy warehouse.dim_card (
  card_id, valid_from, valid_to, event_id,
  user_id, created_by_name, active, created_at, updated_at
)
from stdin with (format binary)
