-- Rejections that a retry found to have another reason than before; the others stay as they are.
update landing.rejected_event as rejected
set reason = validated.reason, detail = validated.detail, run_id = $1, rejected_at = now()
from unnest($2::bigint[], $3::text[], $4::text[]) as validated (rejected_id, reason, detail)
where rejected.rejected_id = validated.rejected_id
  and rejected.resolved_at is null
  and (rejected.reason, rejected.detail) is distinct from (validated.reason, validated.detail)
