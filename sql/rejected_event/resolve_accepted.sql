-- These documents are accepted now. Each resolves its own rejection and those of what its file held before.
update landing.rejected_event as rejected
set resolved_at = now(), resolved_run_id = $1
from landing.rejected_event as accepted
where accepted.rejected_id = any($2)
  and rejected.source = accepted.source
  and rejected.file_name = accepted.file_name
  and rejected.file_changed_at <= accepted.file_changed_at
  and rejected.resolved_at is null
