-- The statements that replace the functions of the past that are written in SQL, such as card_as_of, by the same in
-- PL/pgSQL: Citus puts a function in SQL into the query, and then refuses its parameter.
with as_of_function as (
  select
    oid,
    proname as name,
    regexp_replace(proname, '_as_of$', '') as entity,
    pg_get_function_arguments(oid) as arguments,
    pg_get_function_result(oid) as result,
    (
      select string_agg(format('version.%I', argument.name), ', ' order by argument.place)
      from unnest(proargnames, proargmodes) with ordinality as argument (name, mode, place)
      where argument.mode = 't'
    ) as columns
  from pg_proc
  where pronamespace = to_regnamespace('warehouse')
    and proname = any($1::text[])
    and prolang = (select language.oid from pg_language as language where language.lanname = 'sql')
)

select
  format(
    $statement$
      create or replace function warehouse.%I(%s) returns %s
      language plpgsql stable parallel safe
      as $body$
      begin
        return query
        select %s
        from warehouse.%I as version
        where version.valid_from <= moment and (version.valid_to > moment or version.valid_to is null);
      end
      $body$
    $statement$,
    name, arguments, result, columns, 'dim_' || entity
  ) as statement
from as_of_function
order by name
