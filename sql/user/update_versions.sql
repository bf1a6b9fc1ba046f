-- Brings kept versions up to date; no two of them trade an end, so the order does not matter.
update warehouse.dim_user as version
set
  valid_from = revised.valid_from,
  valid_to = revised.valid_to,
  event_id = revised.event_id,
  name = revised.name,
  address = revised.address,
  job = revised.job,
  score = revised.score
from unnest(
  $1::bigint[], $2::bigint[], $3::timestamptz[], $4::timestamptz[], $5::uuid[], $6::text[], $7::text[],
  $8::text[], $9::double precision[]
) as revised (
  user_id, user_key, valid_from, valid_to, event_id, name, address, job, score
)
where version.user_id = revised.user_id and version.user_key = revised.user_key
