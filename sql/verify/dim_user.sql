-- Where the dimension is not what the events in landing make by the rule of the contract: the first $1 versions that
-- differ, by key and time, and how many there are. The rule's versions are one chain a key by construction; so a
-- dimension that does not differ has no overlap, gap, empty period or second current version either.
with event as (
  select
    user_id, event_id, event_at, name, address, job, score,
    lead(event_at) over timeline is distinct from event_at as is_last_of_moment
  from landing.user_event
  window timeline as (partition by user_id order by event_at, file_modified_at, event_id)
),

moment as (
  select
    user_id, event_id, event_at, name, address, job, score,
    (name, address, job, score) is distinct from (
      lag(name) over timeline, lag(address) over timeline, lag(job) over timeline, lag(score) over timeline
    ) as opens_version
  from event
  where is_last_of_moment
  window timeline as (partition by user_id order by event_at)
),

version as (
  select
    user_id, name, address, job, score,
    event_at as valid_from,
    lead(event_at) over chain as valid_to,
    event_id,
    1 as copy
  from moment
  where opens_version
  window chain as (partition by user_id order by event_at)
),

held as (
  select
    user_id, user_key, name, address, job, score, valid_from, valid_to, is_current, event_id,
    row_number() over (partition by user_id, valid_from order by user_key) as copy
  from warehouse.dim_user
),

difference as (
  select
    user_id, valid_from, held.user_key, version.event_id,
    array_remove(array[
      case when held.name is distinct from version.name
        then format('name (%s, not %s)', version.name, held.name) end,
      case when held.address is distinct from version.address
        then format('address (%s, not %s)', version.address, held.address) end,
      case when held.job is distinct from version.job
        then format('job (%s, not %s)', version.job, held.job) end,
      case when held.score is distinct from version.score
        then format('score (%s, not %s)', version.score, held.score) end,
      case when held.valid_to is distinct from version.valid_to
        then format('valid_to (%s, not %s)', coalesce((version.valid_to at time zone 'UTC')::text, 'none'), coalesce((held.valid_to at time zone 'UTC')::text, 'none')) end,
      case when held.is_current is distinct from (version.valid_to is null)
        then format('is_current (%s, not %s)', version.valid_to is null, held.is_current) end,
      case when held.event_id is distinct from version.event_id
        then format('event_id (%s, not %s)', version.event_id, held.event_id) end
    ], null) as columns
  from version
  full join held using (user_id, valid_from, copy)
  where version.copy is null
    or (
      held.name, held.address, held.job, held.score, held.valid_to, held.is_current, held.event_id
    ) is distinct from (
      version.name, version.address, version.job, version.score, version.valid_to, version.valid_to is null,
      version.event_id
    )
)

select
  user_id as entity_id,
  -- As text, since a damaged one can be infinite.
  (valid_from at time zone 'UTC')::text || ' UTC' as begins,
  user_key as version_key, event_id, columns,
  count(*) over () as total
from difference
order by user_id, valid_from, user_key
limit $1
