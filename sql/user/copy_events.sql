-- Adds events whose identity is known to be new.
copy landing.user_event (
  user_id, event_id, event_at, extra, file_name, file_modified_at, run_id,
  name, address, job, score
)
from stdin with (format binary)
