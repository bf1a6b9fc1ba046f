-- The row of a run, written with its first batch. A number that is taken fails here and overwrites nothing.
insert into etl.run (
  run_id, command, inbox, sources, since, started_at, finished_at,
  files, loaded, duplicates, rejected, pending, versions_opened, versions_closed, versions_changed
)
overriding system value
values ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15)
