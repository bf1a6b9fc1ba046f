-- Renews the claims of a run.
update etl.checkpoint
set claimed_until = clock_timestamp() + make_interval(secs => $2)
where claimed_by = $1
