-- One rejection, with its document.
select
  rejected_id, source, inbox, file_name, file_modified_at, file_changed_at, file_size, reason, detail, entity, entity_id,
  document is not null as has_document, run_id, rejected_at, resolved_at, resolution, resolved_run_id, dismissed_by, note,
  document
from landing.rejected_event
where rejected_id = $1
