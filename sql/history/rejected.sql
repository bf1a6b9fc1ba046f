-- The rejected files about one user or card, as far as their documents could be read.
select
  rejected_id, source, inbox, file_name, file_modified_at, file_changed_at, file_size, reason, detail, entity, entity_id,
  document is not null as has_document, run_id, rejected_at, resolved_at, resolution, resolved_run_id, dismissed_by, note
from landing.rejected_event
where entity = $1 and entity_id = $2
order by file_modified_at, file_name, rejected_id
