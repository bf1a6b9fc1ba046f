-- What is rejected for another reason than before; what is rejected for the same one stays as it is.
update landing.rejected_event as rejected
set reason = judged.reason, detail = judged.detail, run_id = $1, rejected_at = now()
from unnest($2::bigint[], $3::text[], $4::text[]) as judged (rejected_id, reason, detail)
where rejected.rejected_id = judged.rejected_id
  and rejected.resolved_at is null
  and (rejected.reason, rejected.detail) is distinct from (judged.reason, judged.detail)
