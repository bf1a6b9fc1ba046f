-- Has Citus end the transactions that workers have prepared and whose coordinator has long committed or rolled back.
select recover_prepared_transactions()
