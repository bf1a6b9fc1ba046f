-- Notes the highest surrogate key of removed versions.
insert into etl.removed_version (entity, highest_key)
values ($1, $2)
on conflict (entity) do update set highest_key = excluded.highest_key
where removed_version.highest_key < excluded.highest_key
