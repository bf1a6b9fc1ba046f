-- Who may do what: the owner of the schemas migrates, etl_loader runs, dwh_reader reads.
--
-- `etl migrate` and the owner's `etl run` call this function after the migrations, so it holds for what later ones
-- make: rights are given by schema and not by table.

create function etl.grant_rights() returns setof text
language plpgsql
as $$
declare
  role_name text;
begin
  foreach role_name in array array['etl_loader', 'dwh_reader'] loop
    if not exists (select from pg_roles where rolname = role_name) then
      begin
        execute format('create role %I nologin', role_name);
      exception
        -- Roles are the cluster's: a migration of another database may have made it meanwhile.
        when duplicate_object or unique_violation or insufficient_privilege then null;
      end;
    end if;
  end loop;

  if not exists (select from pg_roles where rolname = 'etl_loader') then
    return next 'etl_loader';
  else
    grant usage on schema etl, landing, warehouse to etl_loader;
    grant select, insert, update, delete on all tables in schema etl to etl_loader;
    revoke insert, update, delete on etl.schema_history from etl_loader;
    grant usage on all sequences in schema etl to etl_loader;
    -- An accepted event is never taken back, and a rejected one never forgotten.
    grant select, insert, update on all tables in schema landing to etl_loader;
    grant select, insert, update, delete on all tables in schema warehouse to etl_loader;
  end if;

  if not exists (select from pg_roles where rolname = 'dwh_reader') then
    return next 'dwh_reader';
  else
    grant usage on schema landing, warehouse to dwh_reader;
    grant select on all tables in schema landing, warehouse to dwh_reader;
    grant execute on all functions in schema warehouse to dwh_reader;
  end if;
end
$$;

comment on function etl.grant_rights() is 'Makes the roles etl_loader and dwh_reader if the caller may, gives them their rights on the schemas as they are now, and answers with the roles that are missing.';

revoke execute on function etl.grant_rights() from public;
