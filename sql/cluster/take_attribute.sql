-- The function by which migrations move an attribute out of the unknown fields, in a shape that Citus takes: values are
-- read in a step of their own, since an update may call no function that depends on settings. The workers call the
-- function that reads them.
create or replace function landing.take_attribute(entity text, attribute text) returns bigint
language plpgsql
as $$
declare
  event_table constant regclass := format('landing.%I', entity || '_event')::regclass;
  attribute_type constant regtype := (
    select atttypid
    from pg_attribute
    where attrelid = event_table and attname = attribute and not attisdropped
  );
  taken bigint;
begin
  if attribute_type is null then
    raise exception '% has no column %', event_table, attribute
      using hint = format('Add it first: alter table %s add column %I ...', event_table, attribute);
  end if;
  execute format(
    'with candidate as materialized (
       select
         %4$I as entity_id,
         event_id,
         extra -> ''payload'' -> %2$L = ''null'' as is_null,
         landing.attribute_text(extra -> ''payload'' -> %2$L, %3$L)::%3$s as value
       from %1$s
       where extra -> ''payload'' ? %2$L
     ),

     taken as materialized (
       select entity_id, event_id, value
       from candidate
       where is_null or value is not null
     )

     update %1$s as event
     set
       %2$I = taken.value,
       extra = nullif(
         case
           when (event.extra -> ''payload'') - %2$L = ''{}'' then event.extra - ''payload''
           else event.extra #- array[''payload'', %2$L]
         end,
         ''{}''
       )
     from taken
     where event.%4$I = taken.entity_id and event.event_id = taken.event_id',
    event_table, attribute, attribute_type, entity || '_id'
  );
  get diagnostics taken = row_count;
  perform etl.request_rebuild(entity);
  return taken;
end
$$;

select create_distributed_function('landing.attribute_text(jsonb, regtype)');
