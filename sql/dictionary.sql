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

-- How rows find each other. The database keeps no foreign keys for these: events arrive in any order, and each check
-- would cost the load. What is no longer there leaves the diagram, which the test sees.
relation_names (from_table, from_column, to_table, to_column, cardinality, meaning) as (
  values
    ('warehouse.dim_card', 'user_id', 'warehouse.dim_user', 'user_id', '}o--o{', 'owned by, at a moment'),
    ('warehouse.dim_user', 'event_id', 'landing.user_event', 'event_id', '|o--||', 'opened by'),
    ('warehouse.dim_card', 'event_id', 'landing.card_event', 'event_id', '|o--||', 'opened by'),
    ('landing.user_event', 'run_id', 'etl.run', 'run_id', '}o--||', 'loaded by'),
    ('landing.card_event', 'run_id', 'etl.run', 'run_id', '}o--||', 'loaded by'),
    ('landing.rejected_event', 'run_id', 'etl.run', 'run_id', '}o--||', 'rejected by'),
    ('landing.rejected_event', 'resolved_run_id', 'etl.run', 'run_id', '}o--o|', 'resolved by'),
    ('landing.rejected_event', 'source', 'etl.checkpoint', 'source', '}o--||', 'came from'),
    ('etl.recent_file', 'source', 'etl.checkpoint', 'source', '}o--||', 'came from')
),

relations as (
  select
    to_regclass(from_table) as from_table, from_column, to_regclass(to_table) as to_table, to_column, cardinality,
    meaning
  from relation_names
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

function_texts as (
  select
    schemas.oid as schema_oid,
    string_agg(
      format(
        e'\n### `%s.%s(%s)`\n\n%s\n',
        schemas.name,
        proc.proname,
        replace(pg_get_function_identity_arguments(proc.oid), 'timestamp with time zone', 'timestamptz'),
        obj_description(proc.oid, 'pg_proc')
      ),
      '' order by proc.proname
    ) as text
  from schemas
  inner join pg_proc as proc on proc.pronamespace = schemas.oid
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
entities as (
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
    (select string_agg(text, '' order by schema_place, name) from entities)
    || (select string_agg(text, '' order by schema_place, name, from_column) from links) as text
)

select
  e'# Data dictionary\n\n'
  || e'Made of the comments in the database by `sql/dictionary.sql`; not to be edited by hand.\n\n'
  || e'A version in a dimension has a key for its period, and `dim_card.user_id` names a user, not a version of one: '
  || e'join\non `user_id` and on the moment that is asked for, as `sql/examples/cards_with_owners.sql` does.\n\n'
  || e'```mermaid\nerDiagram\n' || diagram.text || e'```\n'
  || schema_texts.text as dictionary
from diagram
cross join schema_texts;
