-- The run's own row, written with each batch: what the run has made durable so far.
insert into etl.run (
  run_id, sources, since, started_at, finished_at, looked_at,
  files, loaded, duplicates, rejected, pending, versions_opened, versions_closed
)
overriding system value
values ($1, $2, $3, $4, $5, $5, $6, $7, $8, $9, $10, $11, $12)
on conflict (run_id) do update
set
  finished_at = excluded.finished_at,
  looked_at = excluded.looked_at,
  files = excluded.files,
  loaded = excluded.loaded,
  duplicates = excluded.duplicates,
  rejected = excluded.rejected,
  pending = excluded.pending,
  versions_opened = excluded.versions_opened,
  versions_closed = excluded.versions_closed
