-- The table of the applied migrations, in its schema, which somebody may have created beforehand: an owner need not
-- have the right to create schemas, which `if not exists` would ask for.
do $$
begin
  if to_regnamespace('etl') is null then
    create schema etl;
  end if;
end
$$;

create table etl.schema_history (
  version integer primary key,
  name varchar(255),
  applied_on varchar(255),
  checksum varchar(255)
)
