-- Adds events whose identity is known to be new.
copy landing.card_event (
  card_id, event_id, event_at, extra, file_name, file_modified_at, run_id,
  user_id, created_by_name, active, created_at, updated_at
)
from stdin with (format binary)
