-- Takes away versions whose first event no longer changes anything.
delete from warehouse.dim_user as version
using unnest($1::bigint[], $2::bigint[]) as gone (user_id, user_key)
where version.user_id = gone.user_id and version.user_key = gone.user_key
