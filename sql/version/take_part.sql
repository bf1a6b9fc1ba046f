-- Has every worker that holds shards of the entity prepare its part of the transaction, whatever it is going to write.
-- Citus has a worker commit in one phase, after the coordinator, that was read first and then copied to: if it cannot be
-- reached then, its rows are lost. No version has the key 0.
update warehouse.dim_{entity}
set event_id = event_id
where {entity}_key = 0
