-- Rights for what somebody else adds to the schemas: a procedure in schema warehouse made every migration fail, and
-- foreign tables were left out.

create or replace function etl.grant_rights() returns table (missing text)
language plpgsql
as $$
declare
  role_name text;
  relation record;
begin
  foreach role_name in array array['etl_loader', 'dwh_reader'] loop
    if not exists (select from pg_roles where rolname = role_name) then
      begin
        execute format('create role %I nologin', role_name);
      exception
        -- Roles belong to the cluster: a migration of another database may have created it meanwhile.
        when duplicate_object or unique_violation or insufficient_privilege then null;
      end;
    end if;
    if exists (select from pg_roles where rolname = role_name) then
      execute format('grant usage on schema etl, landing, warehouse to %I', role_name);
    else
      missing := format('the role %s', role_name);
      return next;
    end if;
  end loop;

  -- Everybody may create temporary tables unless somebody has revoked it; a reconcile compares names in one.
  if
    exists (select from pg_roles where rolname = 'etl_loader')
    and not has_database_privilege('etl_loader', current_database(), 'temporary')
  then
    begin
      execute format('grant temporary on database %I to etl_loader', current_database());
    exception
      when insufficient_privilege then null;
    end;
    if not has_database_privilege('etl_loader', current_database(), 'temporary') then
      missing := format('the right of etl_loader to create temporary tables in the database %s', current_database());
      return next;
    end if;
  end if;

  for relation in
    select
      class.relnamespace::regnamespace::text as schema_name,
      class.oid::regclass as name,
      class.relkind,
      pg_has_role(class.relowner, 'usage') as is_owned,
      (
        select count(*) = 2
        from pg_attribute as attribute
        where attribute.attrelid = class.oid
          and attribute.attname in ('file_name', 'file_modified_at')
          and not attribute.attisdropped
      ) as has_file
    from pg_class as class
    where class.relnamespace in ('etl'::regnamespace, 'landing'::regnamespace, 'warehouse'::regnamespace)
      and class.relkind in ('r', 'p', 'v', 'm', 'f', 'S')
    order by 2
  loop
    -- Somebody else's table may lie in these schemas. It is left alone, and so is everything that asks for it.
    if not relation.is_owned then
      missing := format('rights on %s, which belongs to somebody else', relation.name);
      return next;
      continue;
    end if;
    if exists (select from pg_roles where rolname = 'etl_loader') then
      if relation.relkind = 'S' then
        -- `update` sets a sequence that a restore left behind.
        execute format('grant usage, select, update on sequence %s to etl_loader', relation.name);
      elsif relation.name = 'etl.schema_history'::regclass then
        execute format('grant select on %s to etl_loader', relation.name);
      elsif relation.name = 'landing.rejected_event'::regclass then
        -- A rejected file is never forgotten.
        execute format('grant select, insert, update on %s to etl_loader', relation.name);
      elsif relation.schema_name = 'landing' then
        -- An accepted event is never taken back. A copy of it in another file can move it within its second.
        execute format('grant select, insert on %s to etl_loader', relation.name);
        if relation.has_file then
          execute format('grant update (file_name, file_modified_at) on %s to etl_loader', relation.name);
        end if;
      else
        execute format('grant select, insert, update, delete on %s to etl_loader', relation.name);
      end if;
    end if;
    -- Readers get no sequence: drawing a number would be a change.
    if relation.relkind <> 'S' and exists (select from pg_roles where rolname = 'dwh_reader') then
      execute format('grant select on %s to dwh_reader', relation.name);
    end if;
  end loop;

  if exists (select from pg_roles where rolname = 'dwh_reader') then
    for relation in
      select oid::regprocedure as name
      from pg_proc
      where pronamespace = 'warehouse'::regnamespace and pg_has_role(proowner, 'usage')
    loop
      execute format('grant execute on routine %s to dwh_reader', relation.name);
    end loop;
  end if;
end
$$;
