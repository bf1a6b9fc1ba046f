-- Gives loaders the right to have transactions ended that are in doubt, if the caller may.
do $$
begin
  if exists (select from pg_roles where rolname = 'etl_loader') then
    grant execute on function recover_prepared_transactions() to etl_loader;
  end if;
exception
  when insufficient_privilege then null;
end
$$
