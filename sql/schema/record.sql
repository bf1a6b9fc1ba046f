-- Records a migration that was just applied.
insert into etl.schema_history (version, name, applied_on, checksum)
values ($1, $2, to_char(now() at time zone 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.US"Z"'), $3)
