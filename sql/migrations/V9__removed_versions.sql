-- A surrogate key is never given again, not even if its version was removed and a restore left the sequence behind: the
-- table is restored with the data.
create table etl.removed_version (
  entity text primary key,
  highest_key bigint not null
);

-- What was removed before is not known, but not higher than the last number given.
insert into etl.removed_version (entity, highest_key)
select entity, last_given
from (
  values
    ('user', pg_sequence_last_value(pg_get_serial_sequence('warehouse.dim_user', 'user_key'))),
    ('card', pg_sequence_last_value(pg_get_serial_sequence('warehouse.dim_card', 'card_key')))
) as dimension (entity, last_given)
where last_given is not null;

comment on table etl.removed_version is 'Surrogate keys that are not given again although their version was removed, because a late-arriving event made it disappear; one row for each dimension.';
comment on column etl.removed_version.entity is 'Entity, such as user or card.';
comment on column etl.removed_version.highest_key is 'Highest surrogate key of a removed version, or a higher one that was given.';
