-- A surrogate key is never given again, not even if its version was removed and a restore left the sequence behind: the
-- table is restored with the data.
create table etl.removed_version (
  entity text primary key,
  highest_key bigint not null
);

comment on table etl.removed_version is 'Highest surrogate key of the versions that were removed, because a late-arriving event made them disappear; one row for each dimension.';
comment on column etl.removed_version.entity is 'Entity, such as user or card.';
comment on column etl.removed_version.highest_key is 'Highest surrogate key of a removed version.';
