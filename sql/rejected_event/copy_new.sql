-- Keeps rejected files whole of which no version was rejected before.
copy landing.rejected_event (
  source, file_name, file_modified_at, file_changed_at, file_size, reason, detail, document, run_id
)
from stdin with (format binary)
