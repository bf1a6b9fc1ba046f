-- Writes events whose identity is new.
copy landing.{entity}_event (
  {entity}_id, event_id, event_at, extra, file_name, file_modified_at, run_id, {attributes}
)
from stdin with (format binary)
