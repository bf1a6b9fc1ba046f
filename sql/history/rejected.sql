-- Rejected files that may be about an entity: the digits of its id stand somewhere in their bytes. What the documents
-- say is left to the program, since the bytes may be no text, and then PostgreSQL would fail at them.
select
  source, file_name, file_modified_at, reason, detail, run_id, rejected_at, resolved_at, document
from landing.rejected_event
where position($1::bytea in document) > 0
