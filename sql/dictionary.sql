-- The data dictionary, sql/dictionary.md, as one text: made of the comments in the database, so that it says what the
-- database says. A test holds the file to it; `ETL_DICTIONARY=write cargo test --test loader dictionary` writes it.
with schemas as (
  select
    namespace.oid,
    namespace.nspname as name,
    obj_description(namespace.oid, 'pg_namespace') as comment,
    array_position(array['warehouse', 'landing', 'etl'], namespace.nspname::text) as place
  from pg_namespace as namespace
  where namespace.nspname in ('warehouse', 'landing', 'etl')
),

-- Entities, by the names of their tables: landing.X_event has what warehouse.dim_X is made of.
entities as (
  select
    dimension.oid as dimension,
    event.oid as event,
    entity.name,
    entity.name || '_id' as natural_key
  from pg_class as dimension
  cross join lateral (select substring(dimension.relname from '^dim_(.+)$') as name) as entity
  inner join pg_class as event
    on event.relname = entity.name || '_event' and event.relnamespace = to_regnamespace('landing')
  where dimension.relnamespace = to_regnamespace('warehouse') and dimension.relkind in ('r', 'p')
),

-- How rows find each other. The database has no foreign keys for these: events arrive in any order, and each check
-- would cost the load. A relation whose columns do not exist leaves the diagram, which the test notices.
relations (from_table, from_column, to_table, to_column, cardinality, meaning) as (
  select dimension, 'event_id', event, 'event_id', '|o--||', 'opened by' from entities
  union all
  select event, 'run_id', to_regclass('etl.run'), 'run_id', '}o--||', 'loaded by' from entities
  union all
  select entity.dimension, other.natural_key, other.dimension, other.natural_key, '}o--o{', 'refers to, at a time'
  from entities as entity
  inner join entities as other on other.name <> entity.name
  union all
  select to_regclass(from_table), from_column, to_regclass(to_table), to_column, cardinality, meaning
  from (
    values
      ('landing.rejected_event', 'run_id', 'etl.run', 'run_id', '}o--||', 'rejected by'),
      ('landing.rejected_event', 'resolved_run_id', 'etl.run', 'run_id', '}o--o|', 'closed by'),
      ('landing.rejected_event', 'source', 'etl.checkpoint', 'source', '}o--||', 'came from'),
      ('etl.recent_file', 'source', 'etl.checkpoint', 'source', '}o--||', 'came from'),
      ('etl.pending_file', 'source', 'etl.checkpoint', 'source', '}o--||', 'came from'),
      ('etl.checkpoint', 'claimed_by', 'etl.run', 'run_id', '|o--o|', 'claimed by')
  ) as fixed (from_table, from_column, to_table, to_column, cardinality, meaning)
),

tables as (
  select
    class.oid,
    schemas.oid as schema_oid,
    schemas.place as schema_place,
    class.relname as name,
    schemas.name || '.' || class.relname as full_name,
    class.relkind in ('v', 'm') as is_view,
    obj_description(class.oid, 'pg_class') as comment
  from pg_class as class
  inner join schemas on schemas.oid = class.relnamespace
  where class.relkind in ('r', 'p', 'v', 'm')
),

columns as (
  select
    tables.oid as table_oid,
    attribute.attnum as place,
    attribute.attname as name,
    replace(
      format_type(attribute.atttypid, attribute.atttypmod), 'timestamp with time zone', 'timestamptz'
    ) as type,
    not attribute.attnotnull and not tables.is_view as is_nullable,
    attribute.attnum = any(key.conkey) as is_key,
    col_description(tables.oid, attribute.attnum) as comment
  from tables
  inner join pg_attribute as attribute
    on attribute.attrelid = tables.oid and attribute.attnum > 0 and not attribute.attisdropped
  left join pg_constraint as key
    on key.conrelid = tables.oid and key.contype = 'p'
),

-- Markdown would take these signs for its own.
column_lines as (
  select
    table_oid,
    string_agg(
      format(
        '| `%s` | %s | %s | %s |',
        name,
        type,
        concat_ws(', ', case when is_key then 'key' end, case when is_nullable then 'may be null' end),
        regexp_replace(replace(comment, '<', '&lt;'), '([\\|*])', '\\\1', 'g')
      ),
      e'\n' order by place
    ) as lines
  from columns
  group by table_oid
),

table_texts as (
  select
    tables.schema_oid,
    string_agg(
      format(
        e'### `%s`%s\n\n%s\n\n| column | type | | meaning |\n|---|---|---|---|\n%s\n',
        tables.full_name,
        case when tables.is_view then ' (view)' end,
        tables.comment,
        column_lines.lines
      ),
      e'\n' order by tables.is_view, tables.name
    ) as text
  from tables
  inner join column_lines on column_lines.table_oid = tables.oid
  group by tables.schema_oid
),

-- The columns that an analyst's function returns. Their meaning is that of the columns with the same names that its body
-- reads.
function_column_lines as (
  select
    proc.oid as function_oid,
    string_agg(
      format(
        '| `%s` | %s | %s |',
        returned.name,
        replace(format_type(returned.type, null), 'timestamp with time zone', 'timestamptz'),
        regexp_replace(replace(source.comment, '<', '&lt;'), '([\\|*])', '\\\1', 'g')
      ),
      e'\n' order by returned.place
    ) as lines
  from schemas
  inner join pg_proc as proc on proc.pronamespace = schemas.oid
  cross join lateral unnest(proc.proargnames, proc.proargmodes, proc.proallargtypes) with ordinality
    as returned (name, mode, type, place)
  left join lateral (
    select min(col_description(attribute.attrelid, attribute.attnum)) as comment
    from pg_depend as depends
    inner join pg_attribute as attribute
      on attribute.attrelid = depends.refobjid
      and attribute.attnum = depends.refobjsubid
      and attribute.attname = returned.name
    where depends.classid = 'pg_proc'::regclass
      and depends.objid = proc.oid
      and depends.refclassid = 'pg_class'::regclass
  ) as source on true
  where returned.mode = 't' and schemas.name = 'warehouse'
  group by proc.oid
),

function_texts as (
  select
    schemas.oid as schema_oid,
    string_agg(
      format(
        e'\n### `%s.%s(%s)`\n\n%s\n%s',
        schemas.name,
        proc.proname,
        replace(pg_get_function_identity_arguments(proc.oid), 'timestamp with time zone', 'timestamptz'),
        obj_description(proc.oid, 'pg_proc'),
        e'\n| column | type | meaning |\n|---|---|---|\n' || function_column_lines.lines || e'\n'
      ),
      '' order by proc.proname
    ) as text
  from schemas
  inner join pg_proc as proc on proc.pronamespace = schemas.oid
  left join function_column_lines on function_column_lines.function_oid = proc.oid
  group by schemas.oid
),

schema_texts as (
  select string_agg(
    format(
      e'\n## Schema `%s`\n\n%s\n\n%s%s',
      schemas.name, schemas.comment, table_texts.text, function_texts.text
    ),
    '' order by schemas.place
  ) as text
  from schemas
  inner join table_texts on table_texts.schema_oid = schemas.oid
  left join function_texts on function_texts.schema_oid = schemas.oid
),

-- A type in the diagram is one word.
boxes as (
  select
    tables.schema_place,
    tables.name,
    format(
      e'  %s {\n%s\n  }\n',
      tables.name,
      string_agg(
        format('    %s %s%s', replace(columns.type, ' ', '_'), columns.name, case when columns.is_key then ' PK' end),
        e'\n' order by columns.place
      )
    ) as text
  from tables
  inner join columns on columns.table_oid = tables.oid
  where tables.oid in (select from_table from relations union select to_table from relations)
  group by tables.schema_place, tables.name
),

links as (
  select
    from_table.schema_place,
    from_table.name,
    relations.from_column,
    format(e'  %s %s %s : "%s"\n', from_table.name, relations.cardinality, to_table.name, relations.meaning) as text
  from relations
  inner join tables as from_table on from_table.oid = relations.from_table
  inner join tables as to_table on to_table.oid = relations.to_table
  inner join columns as from_column
    on from_column.table_oid = from_table.oid and from_column.name = relations.from_column
  inner join columns as to_column
    on to_column.table_oid = to_table.oid and to_column.name = relations.to_column
),

diagram as (
  select
    (select string_agg(text, '' order by schema_place, name) from boxes)
    || (select string_agg(text, '' order by schema_place, name, from_column) from links) as text
)

select
  e'# Data dictionary\n\n'
  || e'Made of the comments in the database by `sql/dictionary.sql`; not to be edited by hand.\n\n'
  || e'A dimension has a row for each version of an entity. Elsewhere a column such as `user_id` names the entity and no\n'
  || e'version of it: join on it and on the time that is asked for, as `sql/examples/cards_with_owners.sql` does. Event times\n'
  || e'are those of the services, which write them in UTC.\n\n'
  || e'```mermaid\nerDiagram\n' || diagram.text || e'```\n'
  || schema_texts.text as dictionary
from diagram
cross join schema_texts;
