-- Opens dismissed rejections again. Each is still the only one of its file, since a dismissed one keeps others away.
update landing.rejected_event
set resolved_at = null, resolution = null, dismissed_by = null, note = null
where rejected_id = any($1) and resolution = 'dismissed'
returning rejected_id
