-- Whether loaders may have transactions ended that are in doubt.
select exists (
  select
  from pg_roles
  where rolname = 'etl_loader' and has_function_privilege(oid, 'recover_prepared_transactions()', 'execute')
) as may_recover
