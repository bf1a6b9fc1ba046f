select etl.pending_since($1)
