-- Who watches the loader, or asks what happened to a card, needs its books and not the right to load: every command of
-- `etl` reads them, and so does an analyst who asks which events came late. This is the function of V5, with the schema
-- etl among those that dwh_reader reads.

create or replace function etl.grant_rights() returns setof text
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
    -- No sequence among them: drawing a number would be a change.
    grant usage on schema etl, landing, warehouse to dwh_reader;
    grant select on all tables in schema etl, landing, warehouse to dwh_reader;
    grant execute on all functions in schema warehouse to dwh_reader;
  end if;
end
$$;
