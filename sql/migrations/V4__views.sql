-- What analysts ask first: the present, the past, and cards without a user.
--
-- The columns are named one by one: a column that somebody adds to a dimension breaks nothing here.

create view warehouse.user_current as
select user_key, user_id, name, address, job, score, valid_from, event_id
from warehouse.dim_user
where valid_to is null;

comment on view warehouse.user_current is 'The current version of every user.';
comment on column warehouse.user_current.user_key is 'Surrogate key of the version.';
comment on column warehouse.user_current.user_id is 'Natural key: the user.';
comment on column warehouse.user_current.name is 'Full name.';
comment on column warehouse.user_current.address is 'Postal address, with line breaks.';
comment on column warehouse.user_current.job is 'Occupation.';
comment on column warehouse.user_current.score is 'Score, a finite number.';
comment on column warehouse.user_current.valid_from is 'Since when the user has been in this state.';
comment on column warehouse.user_current.event_id is 'Event that opened the version.';

create view warehouse.card_current as
select card_key, card_id, user_id, created_by_name, active, created_at, updated_at, valid_from, event_id
from warehouse.dim_card
where valid_to is null;

comment on view warehouse.card_current is 'The current version of every card.';
comment on column warehouse.card_current.card_key is 'Surrogate key of the version.';
comment on column warehouse.card_current.card_id is 'Natural key: the card.';
comment on column warehouse.card_current.user_id is 'The user who owns the card.';
comment on column warehouse.card_current.created_by_name is 'Name of the person who created the card.';
comment on column warehouse.card_current.active is 'Whether the card is active.';
comment on column warehouse.card_current.created_at is 'When the card was created.';
comment on column warehouse.card_current.updated_at is 'When the card was last written.';
comment on column warehouse.card_current.valid_from is 'Since when the card has been in this state.';
comment on column warehouse.card_current.event_id is 'Event that opened the version.';

create view warehouse.card_without_user as
select
  card.card_key, card.card_id, card.user_id, card.created_by_name, card.active, card.created_at, card.updated_at,
  card.valid_from, card.event_id
from warehouse.card_current as card
left join (select dim_user.user_id from warehouse.dim_user where dim_user.valid_to is null) as owner
  on owner.user_id = card.user_id
where owner.user_id is null;

comment on view warehouse.card_without_user is 'Current cards whose user has no version: the user has not arrived yet, or does not exist.';
comment on column warehouse.card_without_user.card_key is 'Surrogate key of the version.';
comment on column warehouse.card_without_user.card_id is 'Natural key: the card.';
comment on column warehouse.card_without_user.user_id is 'The user who is not known.';
comment on column warehouse.card_without_user.created_by_name is 'Name of the person who created the card.';
comment on column warehouse.card_without_user.active is 'Whether the card is active.';
comment on column warehouse.card_without_user.created_at is 'When the card was created.';
comment on column warehouse.card_without_user.updated_at is 'When the card was last written.';
comment on column warehouse.card_without_user.valid_from is 'Since when the card has been in this state.';
comment on column warehouse.card_without_user.event_id is 'Event that opened the version.';

create function warehouse.user_as_of(moment timestamptz) returns table (
  user_key bigint,
  user_id bigint,
  name text,
  address text,
  job text,
  score double precision,
  valid_from timestamptz,
  valid_to timestamptz,
  is_current boolean,
  event_id uuid
)
language sql stable parallel safe
begin atomic
  select
    version.user_key, version.user_id, version.name, version.address, version.job, version.score,
    version.valid_from, version.valid_to, version.is_current, version.event_id
  from warehouse.dim_user as version
  where version.valid_from <= moment and (version.valid_to > moment or version.valid_to is null);
end;

comment on function warehouse.user_as_of(timestamptz) is 'Every user as of a time: the version whose period holds it.';

create function warehouse.card_as_of(moment timestamptz) returns table (
  card_key bigint,
  card_id bigint,
  user_id bigint,
  created_by_name text,
  active boolean,
  created_at timestamptz,
  updated_at timestamptz,
  valid_from timestamptz,
  valid_to timestamptz,
  is_current boolean,
  event_id uuid
)
language sql stable parallel safe
begin atomic
  select
    version.card_key, version.card_id, version.user_id, version.created_by_name, version.active,
    version.created_at, version.updated_at, version.valid_from, version.valid_to, version.is_current,
    version.event_id
  from warehouse.dim_card as version
  where version.valid_from <= moment and (version.valid_to > moment or version.valid_to is null);
end;

comment on function warehouse.card_as_of(timestamptz) is 'Every card as of a time: the version whose period holds it.';
