-- Where the dimension differs from the versions that the events in landing make by the rule of the contract: the first
-- $1 differences by key and time, and how many there are. The rule's versions are one chain a key by construction; so
-- a dimension without a difference has no overlap, gap, empty period or second current version either.
with event as (
  select
    {entity}_id, event_id, event_at, {attributes},
    lead(event_at) over timeline is distinct from event_at as is_effective
  from landing.{entity}_event
  window timeline as (partition by {entity}_id order by event_at, file_modified_at, event_id)
),

effective as (
  select
    {entity}_id, event_id, event_at, {attributes},
    row ({tracked}) is distinct from lag(row ({tracked})) over timeline as opens_version
  from event
  where is_effective
  window timeline as (partition by {entity}_id order by event_at)
),

numbered as (
  select
    {entity}_id, event_id, event_at, {attributes}, opens_version,
    sum(opens_version::integer) over timeline as version_number
  from effective
  window timeline as (partition by {entity}_id order by event_at)
),

latest as (
  select distinct on ({entity}_id, version_number) {entity}_id, version_number, {attributes}
  from numbered
  order by {entity}_id, version_number, event_at desc
),

expected as (
  select
    opening.{entity}_id, opening.event_at as valid_from, 1 as copy,
    lead(opening.event_at) over chain as valid_to,
    opening.event_id, {latest.attributes}
  from numbered as opening
  inner join latest using ({entity}_id, version_number)
  where opening.opens_version
  window chain as (partition by opening.{entity}_id order by opening.event_at)
),

found as (
  select
    {entity}_id, valid_from,
    row_number() over (partition by {entity}_id, valid_from order by {entity}_key) as copy,
    valid_to, event_id, {attributes}, {entity}_key, is_current
  from warehouse.dim_{entity}
),

difference as (
  select
    {entity}_id as entity_id, valid_from, found.{entity}_key as version_key, expected.event_id as expected_event_id,
    expected, found
  from expected
  full join found using ({entity}_id, valid_from, copy)
  where (expected.copy, expected.valid_to, expected.event_id, {expected.attributes})
    is distinct from (found.copy, found.valid_to, found.event_id, {found.attributes})
    or found.is_current is distinct from (found.valid_to is null)
),

first_difference as (
  select
    entity_id, valid_from, version_key, expected_event_id, expected, found,
    count(*) over () as total
  from difference
  order by entity_id, valid_from, version_key
  limit $1
)

select
  entity_id,
  -- As text, since a damaged one can be infinite.
  (valid_from at time zone 'UTC')::text || ' UTC' as begins,
  version_key, expected_event_id, to_jsonb(expected) as expected, to_jsonb(found) as found, total
from first_difference
order by entity_id, valid_from, version_key
