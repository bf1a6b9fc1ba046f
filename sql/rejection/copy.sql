-- Writes rejections of files that have no other one that is open or dismissed.
copy landing.rejected_event (
  source, inbox, file_name, file_modified_at, file_changed_at, file_size, reason, detail, entity, entity_id, document,
  run_id
)
from stdin with (format binary)
