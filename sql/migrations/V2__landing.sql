-- Every accepted event as it came, typed, and every rejected file with its reason.
--
-- Every unique constraint leads with the natural key of the entity, so that the tables can be distributed by it.

do $$
begin
  -- `if not exists` would ask for the right to create schemas even where there is nothing to create.
  if to_regnamespace('landing') is null then
    create schema landing;
  end if;
end
$$;
comment on schema landing is 'Events as they came: accepted ones typed, rejected ones whole with a reason.';

create table landing.user_event (
  user_id bigint not null,
  event_id uuid not null,
  event_at timestamptz not null,
  name text not null,
  address text not null,
  job text not null,
  score double precision not null,
  extra jsonb,
  file_name text not null,
  file_modified_at timestamptz not null,
  run_id bigint not null,
  primary key (user_id, event_id)
);

-- Finds the events around a time of one user: a late-arriving event reads its neighbours and no more.
create index user_event_timeline on landing.user_event (user_id, event_at, file_modified_at, event_id);

comment on table landing.user_event is 'Every accepted event of a user; the events alone determine warehouse.dim_user.';
comment on column landing.user_event.user_id is 'The user (payload.id).';
comment on column landing.user_event.event_id is 'The event (metadata.event_id).';
comment on column landing.user_event.event_at is 'When the user changed to this state (metadata.event_at).';
comment on column landing.user_event.name is 'Full name.';
comment on column landing.user_event.address is 'Postal address, with line breaks.';
comment on column landing.user_event.job is 'Occupation.';
comment on column landing.user_event.score is 'Score, a finite number.';
comment on column landing.user_event.extra is 'Fields of the document that have no column, in the document''s own shape; null when there are none.';
comment on column landing.user_event.file_name is 'File the event came in; a byte that is not UTF-8 is written \xNN, a backslash \\.';
comment on column landing.user_event.file_modified_at is 'Modification time of that file, which orders events of one second. Of several files with the same event the earliest with a fraction of a second counts; the earliest of all only if none has a fraction.';
comment on column landing.user_event.run_id is 'Run that loaded the event (etl.run).';

create table landing.card_event (
  card_id bigint not null,
  event_id uuid not null,
  event_at timestamptz not null,
  user_id bigint not null,
  created_by_name text not null,
  active boolean not null,
  created_at timestamptz not null,
  updated_at timestamptz not null,
  extra jsonb,
  file_name text not null,
  file_modified_at timestamptz not null,
  run_id bigint not null,
  primary key (card_id, event_id)
);

-- Finds the events around a time of one card: a late-arriving event reads its neighbours and no more.
create index card_event_timeline on landing.card_event (card_id, event_at, file_modified_at, event_id);

comment on table landing.card_event is 'Every accepted event of a card; the events alone determine warehouse.dim_card.';
comment on column landing.card_event.card_id is 'The card (payload.id).';
comment on column landing.card_event.event_id is 'The event (metadata.event_id).';
comment on column landing.card_event.event_at is 'When the card changed to this state (metadata.event_at).';
comment on column landing.card_event.user_id is 'The user who owns the card; that user may arrive later or never.';
comment on column landing.card_event.created_by_name is 'Name of the person who created the card.';
comment on column landing.card_event.active is 'Whether the card is active.';
comment on column landing.card_event.created_at is 'When the card was created.';
comment on column landing.card_event.updated_at is 'When the card was last written, as the service reports it.';
comment on column landing.card_event.extra is 'Fields of the document that have no column, in the document''s own shape; null when there are none.';
comment on column landing.card_event.file_name is 'File the event came in; a byte that is not UTF-8 is written \xNN, a backslash \\.';
comment on column landing.card_event.file_modified_at is 'Modification time of that file, which orders events of one second. Of several files with the same event the earliest with a fraction of a second counts; the earliest of all only if none has a fraction.';
comment on column landing.card_event.run_id is 'Run that loaded the event (etl.run).';

create table landing.rejected_event (
  rejected_id bigint generated always as identity primary key,
  source text not null,
  inbox text not null,
  file_name text not null,
  file_modified_at timestamptz not null,
  file_changed_at timestamptz not null,
  file_size bigint not null,
  reason text not null,
  detail text not null,
  entity text,
  entity_id bigint,
  document bytea,
  run_id bigint not null,
  rejected_at timestamptz not null default now(),
  resolved_at timestamptz,
  resolution text check (resolution in ('accepted', 'superseded', 'dismissed')),
  resolved_run_id bigint,
  dismissed_by text,
  note text,
  check ((resolved_at is null) = (resolution is null)),
  check ((resolution in ('accepted', 'superseded')) = (resolved_run_id is not null)),
  check ((resolution = 'dismissed') = (dismissed_by is not null))
);

-- One file has at most one rejection that is open or dismissed: validating it again supersedes the earlier one.
create unique index rejected_event_file on landing.rejected_event (source, inbox, file_name)
where resolved_at is null or resolution = 'dismissed';
-- Counts what is open, and finds the newest rejection of a reason.
create index rejected_event_open on landing.rejected_event (source, reason, rejected_id) where resolved_at is null;
-- Finds what was rejected about one user or card.
create index rejected_event_entity on landing.rejected_event (entity, entity_id) where entity_id is not null;

comment on table landing.rejected_event is 'Files that are not events: kept whole, with the reason, until a good version of the file arrives or somebody dismisses them.';
comment on column landing.rejected_event.rejected_id is 'Number of the rejection.';
comment on column landing.rejected_event.source is 'Folder of the inbox, such as users or cards.';
comment on column landing.rejected_event.inbox is 'Name of the inbox.';
comment on column landing.rejected_event.file_name is 'Name in the folder; a byte that is not UTF-8 is written \xNN, a backslash \\.';
comment on column landing.rejected_event.file_modified_at is 'Modification time of the file.';
comment on column landing.rejected_event.file_changed_at is 'Inode change time of the file, rounded down to the microsecond.';
comment on column landing.rejected_event.file_size is 'Size of the file in bytes.';
comment on column landing.rejected_event.reason is 'Reason code, such as missing_field or truncated.';
comment on column landing.rejected_event.detail is 'The reason as a sentence that names the field.';
comment on column landing.rejected_event.entity is 'What the document is about, such as user or card; null where that cannot be read.';
comment on column landing.rejected_event.entity_id is 'Its natural key (payload.id); null where that cannot be read.';
comment on column landing.rejected_event.document is 'Content of the file, byte for byte; null when it was too large or could not be read.';
comment on column landing.rejected_event.run_id is 'Run that rejected it (etl.run).';
comment on column landing.rejected_event.rejected_at is 'When it was rejected.';
comment on column landing.rejected_event.resolved_at is 'When the rejection was closed; null while it is open.';
comment on column landing.rejected_event.resolution is 'How it was closed: accepted (a good version of the file was loaded, or a retry accepted the document), superseded (the file was rejected again with other content), dismissed (by a person).';
comment on column landing.rejected_event.resolved_run_id is 'Run that closed it (etl.run); null if it is open or dismissed.';
comment on column landing.rejected_event.dismissed_by is 'Database user who dismissed it.';
comment on column landing.rejected_event.note is 'Why it was dismissed.';

-- What a migration needs that adds an attribute: events that were loaded before have it among their unknown fields.

create function landing.attribute_text(value jsonb, type regtype) returns text
language plpgsql stable
set timezone = 'UTC'
as $$
declare
  text_of_value text := value #>> '{}';
  time_of_value timestamptz;
begin
  case
    when type = 'bigint'::regtype and jsonb_typeof(value) = 'number' and strpos(text_of_value, '.') = 0 then
      perform text_of_value::bigint;
    when type = 'double precision'::regtype and jsonb_typeof(value) = 'number' then
      perform text_of_value::double precision;
    when type = 'boolean'::regtype and jsonb_typeof(value) = 'boolean' then
      null;
    when type = 'text'::regtype and jsonb_typeof(value) = 'string' then
      null;
    when type = 'timestamptz'::regtype and jsonb_typeof(value) = 'string' and text_of_value ~ (
      '^\d{4}-\d\d-\d\d[ Tt]([01]\d|2[0-3]):[0-5]\d:[0-5]\d(\.\d+)?([Zz]|[+-]([01]\d|2[0-3]):[0-5]\d)$'
      '|^\d{4}-\d\d-\d\d ([01]\d|2[0-3]):[0-5]\d:[0-5]\d(\.\d{1,6})?$'
    ) then
      -- What is finer than a microsecond is cut off, and not rounded.
      text_of_value := regexp_replace(text_of_value, '(\.\d{6})\d+', '\1');
      time_of_value := text_of_value::timestamptz;
      if extract(year from time_of_value) not between 1 and 9999 then
        return null;
      end if;
      -- With its zone, since the caller's zone may be another one.
      text_of_value := time_of_value::text;
    else
      return null;
  end case;
  return text_of_value;
exception
  when data_exception then return null;
end
$$;

comment on function landing.attribute_text(jsonb, regtype) is 'The text of a JSON value, if an attribute of this type accepts it; else null.';

create function landing.take_attribute(entity text, attribute text) returns bigint
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
  -- A null is what a missing field is. A value of another type, or one that does not fit, stays where it is.
  execute format(
    'update %1$s
     set
       %2$I = landing.attribute_text(extra -> ''payload'' -> %2$L, %3$L)::%3$s,
       extra = nullif(
         case
           when (extra -> ''payload'') - %2$L = ''{}'' then extra - ''payload''
           else extra #- array[''payload'', %2$L]
         end,
         ''{}''
       )
     where extra -> ''payload'' ? %2$L
       and (
         extra -> ''payload'' -> %2$L = ''null''
         or landing.attribute_text(extra -> ''payload'' -> %2$L, %3$L) is not null
       )',
    event_table, attribute, attribute_type
  );
  get diagnostics taken = row_count;
  perform etl.request_rebuild(entity);
  return taken;
end
$$;

comment on function landing.take_attribute(text, text) is 'Moves the values of a new attribute from the unknown fields of the events of an entity into its column, where they have its type and fit; returns how many, and requests the rebuild of the dimension.';
