-- The effective events at these times, which all have events, and at the nearest times before and after them. Of the
-- events of one time, the last one is effective.
--
-- The searches start at an event of the time itself: Citus takes a lateral search from a distributed table and none
-- from `unnest`.
with touched as materialized (
  select entity_id, event_at from unnest($1::bigint[], $2::timestamptz[]) as touched (entity_id, event_at)
),

anchor as not materialized (
  select event.{entity}_id, event.event_at
  from touched
  inner join landing.{entity}_event as event
    on event.{entity}_id = touched.entity_id and event.event_at = touched.event_at
),

at_time as (
  select distinct on (event.{entity}_id, event.event_at)
    event.{entity}_id, event.event_at, event.event_id, {event.attributes}
  from touched
  inner join landing.{entity}_event as event
    on event.{entity}_id = touched.entity_id and event.event_at = touched.event_at
  order by event.{entity}_id, event.event_at, event.file_modified_at desc, event.event_id desc
),

before as (
  select nearest.{entity}_id, nearest.event_at, nearest.event_id, {nearest.attributes}
  from anchor
  cross join lateral (
    select event.{entity}_id, event.event_at, event.event_id, {event.attributes}
    from landing.{entity}_event as event
    where event.{entity}_id = anchor.{entity}_id and event.event_at < anchor.event_at
    order by event.event_at desc, event.file_modified_at desc, event.event_id desc
    limit 1
  ) as nearest
),

after as (
  select last_of_time.{entity}_id, last_of_time.event_at, last_of_time.event_id, {last_of_time.attributes}
  from anchor
  cross join lateral (
    select event.{entity}_id, event.event_at
    from landing.{entity}_event as event
    where event.{entity}_id = anchor.{entity}_id and event.event_at > anchor.event_at
    order by event.event_at
    limit 1
  ) as nearest
  cross join lateral (
    select event.{entity}_id, event.event_at, event.event_id, {event.attributes}
    from landing.{entity}_event as event
    where event.{entity}_id = nearest.{entity}_id and event.event_at = nearest.event_at
    order by event.file_modified_at desc, event.event_id desc
    limit 1
  ) as last_of_time
)

select {entity}_id as entity_id, event_at, event_id, {attributes} from at_time
union
select {entity}_id, event_at, event_id, {attributes} from before
union
select {entity}_id, event_at, event_id, {attributes} from after
order by entity_id, event_at
