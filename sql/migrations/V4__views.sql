-- What analysts ask first: the present, the past, and cards that nobody owns.

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
comment on column warehouse.card_current.created_by_name is 'Name of the person who made the card.';
comment on column warehouse.card_current.active is 'Whether the card is active.';
comment on column warehouse.card_current.created_at is 'When the card was made.';
comment on column warehouse.card_current.updated_at is 'When the card was last written.';
comment on column warehouse.card_current.valid_from is 'Since when the card has been in this state.';
comment on column warehouse.card_current.event_id is 'Event that opened the version.';

create view warehouse.card_without_user as
select card_key, card_id, user_id, created_by_name, active, created_at, updated_at, valid_from, event_id
from warehouse.card_current
where not exists (
  select from warehouse.dim_user
  where dim_user.user_id = card_current.user_id
);

comment on view warehouse.card_without_user is 'Current cards whose user has no version: the user has not come yet, or does not exist.';
comment on column warehouse.card_without_user.card_key is 'Surrogate key of the version.';
comment on column warehouse.card_without_user.card_id is 'Natural key: the card.';
comment on column warehouse.card_without_user.user_id is 'The user who is not known.';
comment on column warehouse.card_without_user.created_by_name is 'Name of the person who made the card.';
comment on column warehouse.card_without_user.active is 'Whether the card is active.';
comment on column warehouse.card_without_user.created_at is 'When the card was made.';
comment on column warehouse.card_without_user.updated_at is 'When the card was last written.';
comment on column warehouse.card_without_user.valid_from is 'Since when the card has been in this state.';
comment on column warehouse.card_without_user.event_id is 'Event that opened the version.';

create function warehouse.user_as_of(moment timestamptz) returns setof warehouse.dim_user
language sql stable parallel safe
begin atomic
  select
    user_key, user_id, name, address, job, score, valid_from, valid_to, is_current, event_id
  from warehouse.dim_user
  where valid_from <= moment and (valid_to > moment or valid_to is null);
end;

comment on function warehouse.user_as_of(timestamptz) is 'Every user as it was at a moment: the version whose period holds it.';

create function warehouse.card_as_of(moment timestamptz) returns setof warehouse.dim_card
language sql stable parallel safe
begin atomic
  select
    card_key, card_id, user_id, created_by_name, active, created_at, updated_at, valid_from, valid_to, is_current,
    event_id
  from warehouse.dim_card
  where valid_from <= moment and (valid_to > moment or valid_to is null);
end;

comment on function warehouse.card_as_of(timestamptz) is 'Every card as it was at a moment: the version whose period holds it.';
