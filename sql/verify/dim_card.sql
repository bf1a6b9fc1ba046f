-- Where the dimension is not what the events in landing make by the rule of the contract: the first $1 versions that
-- differ, by key and time, and how many there are. The rule's versions are one chain a key by construction; so a
-- dimension that does not differ has no overlap, gap, empty period or second current version either.
with event as (
  select
    card_id, event_id, event_at, user_id, created_by_name, active, created_at, updated_at,
    lead(event_at) over timeline is distinct from event_at as is_last_of_moment
  from landing.card_event
  window timeline as (partition by card_id order by event_at, file_modified_at, event_id)
),

moment as (
  select
    card_id, event_id, event_at, user_id, created_by_name, active, created_at,
    (user_id, created_by_name, active, created_at) is distinct from (
      lag(user_id) over timeline, lag(created_by_name) over timeline, lag(active) over timeline,
      lag(created_at) over timeline
    ) as opens_version,
    lag(updated_at) over timeline as updated_before,
    last_value(updated_at) over (
      timeline rows between unbounded preceding and unbounded following
    ) as updated_last
  from event
  where is_last_of_moment
  window timeline as (partition by card_id order by event_at)
),

version as (
  select
    card_id, user_id, created_by_name, active, created_at,
    lead(updated_before, 1, updated_last) over chain as updated_at,
    event_at as valid_from,
    lead(event_at) over chain as valid_to,
    event_id,
    1 as copy
  from moment
  where opens_version
  window chain as (partition by card_id order by event_at)
),

held as (
  select
    card_id, card_key, user_id, created_by_name, active, created_at, updated_at, valid_from, valid_to, is_current,
    event_id,
    row_number() over (partition by card_id, valid_from order by card_key) as copy
  from warehouse.dim_card
),

difference as (
  select
    card_id, valid_from, held.card_key, version.event_id,
    array_remove(array[
      case when held.user_id is distinct from version.user_id
        then format('user_id (%s, not %s)', version.user_id, held.user_id) end,
      case when held.created_by_name is distinct from version.created_by_name
        then format('created_by_name (%s, not %s)', version.created_by_name, held.created_by_name) end,
      case when held.active is distinct from version.active
        then format('active (%s, not %s)', version.active, held.active) end,
      case when held.created_at is distinct from version.created_at
        then format('created_at (%s, not %s)', version.created_at at time zone 'UTC', held.created_at at time zone 'UTC') end,
      case when held.updated_at is distinct from version.updated_at
        then format('updated_at (%s, not %s)', version.updated_at at time zone 'UTC', held.updated_at at time zone 'UTC') end,
      case when held.valid_to is distinct from version.valid_to
        then format('valid_to (%s, not %s)', coalesce((version.valid_to at time zone 'UTC')::text, 'none'), coalesce((held.valid_to at time zone 'UTC')::text, 'none')) end,
      case when held.is_current is distinct from (version.valid_to is null)
        then format('is_current (%s, not %s)', version.valid_to is null, held.is_current) end,
      case when held.event_id is distinct from version.event_id
        then format('event_id (%s, not %s)', version.event_id, held.event_id) end
    ], null) as columns
  from version
  full join held using (card_id, valid_from, copy)
  where version.copy is null
    or (
      held.user_id, held.created_by_name, held.active, held.created_at, held.updated_at, held.valid_to,
      held.is_current, held.event_id
    ) is distinct from (
      version.user_id, version.created_by_name, version.active, version.created_at, version.updated_at,
      version.valid_to, version.valid_to is null, version.event_id
    )
)

select
  card_id as entity_id,
  -- As text, since a damaged one can be infinite.
  (valid_from at time zone 'UTC')::text || ' UTC' as begins,
  card_key as version_key, event_id, columns,
  count(*) over () as total
from difference
order by card_id, valid_from, card_key
limit $1
