-- The slowly changing dimensions, type 2: what was true when.
--
-- The versions of one key form one chain without overlap or gap and with exactly one current version. The constraints
-- say so: no start twice, no end twice, one version without an end, and every end is the start of another version of
-- the same key. The last one is checked at commit, because splitting a version takes more than one statement.
-- An infinite time would keep the chain and mean nothing; every end is a start, so finite starts are enough.

do $$
begin
  if to_regnamespace('warehouse') is null then
    create schema warehouse;
  end if;
end
$$;
comment on schema warehouse is 'Users and cards as slowly changing dimensions, for analysts.';

create table warehouse.dim_user (
  user_key bigint generated always as identity,
  user_id bigint not null,
  name text not null,
  address text not null,
  job text not null,
  score double precision not null,
  valid_from timestamptz not null,
  valid_to timestamptz,
  is_current boolean not null generated always as (valid_to is null) stored,
  event_id uuid not null,
  primary key (user_id, user_key),
  constraint dim_user_period check (valid_from < valid_to),
  constraint dim_user_finite check (isfinite(valid_from)),
  constraint dim_user_start unique (user_id, valid_from),
  constraint dim_user_next foreign key (user_id, valid_to)
    references warehouse.dim_user (user_id, valid_from) deferrable initially deferred
);

create unique index dim_user_current on warehouse.dim_user (user_id) where valid_to is null;
create unique index dim_user_end on warehouse.dim_user (user_id, valid_to) where valid_to is not null;
-- Finds the version that a fact refers to, and the highest surrogate key given so far.
create index dim_user_key on warehouse.dim_user (user_key);

comment on table warehouse.dim_user is 'Users over time: one row for each period in which name, address, job and score stayed the same.';
comment on column warehouse.dim_user.user_key is 'Surrogate key of the version; a version that no event touches keeps it.';
comment on column warehouse.dim_user.user_id is 'Natural key: the user.';
comment on column warehouse.dim_user.name is 'Full name.';
comment on column warehouse.dim_user.address is 'Postal address, with line breaks.';
comment on column warehouse.dim_user.job is 'Occupation.';
comment on column warehouse.dim_user.score is 'Score, a finite number.';
comment on column warehouse.dim_user.valid_from is 'Start of the effective period, inclusive.';
comment on column warehouse.dim_user.valid_to is 'End of the effective period, exclusive: the start of the next version; null while current.';
comment on column warehouse.dim_user.is_current is 'Whether this is the latest version of its user.';
comment on column warehouse.dim_user.event_id is 'Event that opened the version (landing.user_event).';

create table warehouse.dim_card (
  card_key bigint generated always as identity,
  card_id bigint not null,
  user_id bigint not null,
  created_by_name text not null,
  active boolean not null,
  created_at timestamptz not null,
  updated_at timestamptz not null,
  valid_from timestamptz not null,
  valid_to timestamptz,
  is_current boolean not null generated always as (valid_to is null) stored,
  event_id uuid not null,
  primary key (card_id, card_key),
  constraint dim_card_period check (valid_from < valid_to),
  constraint dim_card_finite check (isfinite(valid_from)),
  constraint dim_card_start unique (card_id, valid_from),
  constraint dim_card_next foreign key (card_id, valid_to)
    references warehouse.dim_card (card_id, valid_from) deferrable initially deferred
);

create unique index dim_card_current on warehouse.dim_card (card_id) where valid_to is null;
create unique index dim_card_end on warehouse.dim_card (card_id, valid_to) where valid_to is not null;
-- Finds the version that a fact refers to, and the highest surrogate key given so far.
create index dim_card_key on warehouse.dim_card (card_key);
-- Finds the current cards of a user.
create index dim_card_owner on warehouse.dim_card (user_id) where valid_to is null;

comment on table warehouse.dim_card is 'Cards over time: one row for each period in which user_id, created_by_name, active and created_at stayed the same.';
comment on column warehouse.dim_card.card_key is 'Surrogate key of the version; a version that no event touches keeps it.';
comment on column warehouse.dim_card.card_id is 'Natural key: the card.';
comment on column warehouse.dim_card.user_id is 'The user who owns the card; that user may have no version (see card_without_user).';
comment on column warehouse.dim_card.created_by_name is 'Name of the person who created the card.';
comment on column warehouse.dim_card.active is 'Whether the card is active.';
comment on column warehouse.dim_card.created_at is 'When the card was created.';
comment on column warehouse.dim_card.updated_at is 'When the card was last written, by the version''s latest event; a change of it alone opens no version.';
comment on column warehouse.dim_card.valid_from is 'Start of the effective period, inclusive.';
comment on column warehouse.dim_card.valid_to is 'End of the effective period, exclusive: the start of the next version; null while current.';
comment on column warehouse.dim_card.is_current is 'Whether this is the latest version of its card.';
comment on column warehouse.dim_card.event_id is 'Event that opened the version (landing.card_event).';
