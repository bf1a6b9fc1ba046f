-- Every accepted event as it came, typed, and every rejected one with its reason.

create schema if not exists landing;
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

-- Finds the events around a moment of one user: a late event touches its neighbours and no more.
create index user_event_timeline on landing.user_event (user_id, event_at, file_modified_at, event_id);

comment on table landing.user_event is 'Every accepted event of a user; the events alone determine warehouse.dim_user.';
comment on column landing.user_event.user_id is 'The user (payload.id).';
comment on column landing.user_event.event_id is 'The event (metadata.event_id).';
comment on column landing.user_event.event_at is 'When the user came to be in this state (metadata.event_at).';
comment on column landing.user_event.name is 'Full name.';
comment on column landing.user_event.address is 'Postal address, with line breaks.';
comment on column landing.user_event.job is 'Occupation.';
comment on column landing.user_event.score is 'Score, a finite number.';
comment on column landing.user_event.extra is 'Fields of the document that have no column, in the document''s own shape; null when there are none.';
comment on column landing.user_event.file_name is 'File the event came in; a byte that is not UTF-8 stands as \xNN, a backslash as \\.';
comment on column landing.user_event.file_modified_at is 'Modification time of that file, which orders events of one second; of several files with the same event, the earliest.';
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

-- Finds the events around a moment of one card: a late event touches its neighbours and no more.
create index card_event_timeline on landing.card_event (card_id, event_at, file_modified_at, event_id);

comment on table landing.card_event is 'Every accepted event of a card; the events alone determine warehouse.dim_card.';
comment on column landing.card_event.card_id is 'The card (payload.id).';
comment on column landing.card_event.event_id is 'The event (metadata.event_id).';
comment on column landing.card_event.event_at is 'When the card came to be in this state (metadata.event_at).';
comment on column landing.card_event.user_id is 'The user who owns the card; that user may come later or never.';
comment on column landing.card_event.created_by_name is 'Name of the person who made the card.';
comment on column landing.card_event.active is 'Whether the card is active.';
comment on column landing.card_event.created_at is 'When the card was made.';
comment on column landing.card_event.updated_at is 'When the card was last written, as the service tells it.';
comment on column landing.card_event.extra is 'Fields of the document that have no column, in the document''s own shape; null when there are none.';
comment on column landing.card_event.file_name is 'File the event came in; a byte that is not UTF-8 stands as \xNN, a backslash as \\.';
comment on column landing.card_event.file_modified_at is 'Modification time of that file, which orders events of one second; of several files with the same event, the earliest.';
comment on column landing.card_event.run_id is 'Run that loaded the event (etl.run).';

create table landing.rejected_event (
  rejected_id bigint generated always as identity primary key,
  source text not null,
  file_name text not null,
  file_modified_at timestamptz not null,
  file_changed_at timestamptz not null,
  file_size bigint not null,
  reason text not null,
  detail text not null,
  document bytea,
  document_sha256 bytea not null generated always as (coalesce(sha256(document), '')) stored,
  run_id bigint not null,
  rejected_at timestamptz not null default now(),
  resolved_at timestamptz,
  resolved_run_id bigint,
  check ((resolved_at is null) = (resolved_run_id is null)),
  -- Judging the same bytes of the same file again adds no row.
  unique (source, file_name, document_sha256)
);

-- Sums up what is open.
create index rejected_event_open on landing.rejected_event (source, reason) where resolved_at is null;

comment on table landing.rejected_event is 'Files that are not events: kept whole, with the reason, until a good version of the file arrives.';
comment on column landing.rejected_event.rejected_id is 'Number of the rejection.';
comment on column landing.rejected_event.source is 'Folder of the inbox: users or cards.';
comment on column landing.rejected_event.file_name is 'Name in the folder; a byte that is not UTF-8 stands as \xNN, a backslash as \\.';
comment on column landing.rejected_event.file_modified_at is 'Modification time of the file.';
comment on column landing.rejected_event.file_changed_at is 'Inode change time of the file, rounded down to the microsecond.';
comment on column landing.rejected_event.file_size is 'Size of the file in bytes.';
comment on column landing.rejected_event.reason is 'Reason code, such as missing_field or truncated.';
comment on column landing.rejected_event.detail is 'The reason as a sentence that names the field.';
comment on column landing.rejected_event.document is 'Content of the file, byte for byte; null when it was too large or could not be read.';
comment on column landing.rejected_event.document_sha256 is 'SHA-256 of the content, which tells two versions of one file apart; empty when there is no content.';
comment on column landing.rejected_event.run_id is 'Run that rejected it (etl.run).';
comment on column landing.rejected_event.rejected_at is 'When it was rejected.';
comment on column landing.rejected_event.resolved_at is 'When a good version of the file was loaded; null while there is none.';
comment on column landing.rejected_event.resolved_run_id is 'Run that loaded the good version (etl.run).';
