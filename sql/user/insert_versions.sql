-- Writes new versions; those they follow have been given their ends before.
insert into warehouse.dim_user (
  user_id, valid_from, valid_to, event_id, name, address, job, score
)
select
  user_id, valid_from, valid_to, event_id, name, address, job, score
from unnest(
  $1::bigint[], $2::timestamptz[], $3::timestamptz[], $4::uuid[], $5::text[], $6::text[], $7::text[],
  $8::double precision[]
) as opened (
  user_id, valid_from, valid_to, event_id, name, address, job, score
)
order by user_id, valid_from
