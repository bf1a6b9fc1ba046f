-- One rejection, with its document.
select
  rejected_id, source, file_name, file_modified_at, file_changed_at, file_size, reason, detail,
  document is not null as has_document, run_id, rejected_at, resolved_at, resolved_run_id, document
from landing.rejected_event
where rejected_id = $1
