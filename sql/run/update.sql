-- Renews the row of a run with each further batch.
update etl.run
set
  finished_at = $2,
  files = $3,
  loaded = $4,
  duplicates = $5,
  rejected = $6,
  pending = $7,
  versions_opened = $8,
  versions_closed = $9,
  versions_changed = $10
where run_id = $1
