-- How long do cards stay inactive until they are active again: how many spells are shorter than a minute, an hour, a day?
-- A spell is closed when the card is active again. It may take several versions, in which something else has changed.
with bounds (at_least, shorter_than) as (
  values
    (interval '0', interval '10 seconds'),
    (interval '10 seconds', interval '1 minute'),
    (interval '1 minute', interval '10 minutes'),
    (interval '10 minutes', interval '1 hour'),
    (interval '1 hour', interval '1 day'),
    (interval '1 day', interval '7 days'),
    (interval '7 days', null)
),

versions as (
  select
    card_id,
    active,
    valid_from,
    valid_to,
    lag(active) over (partition by card_id order by valid_from) is distinct from active as begins_spell
  from warehouse.dim_card
),

versions_by_spell as (
  select
    card_id,
    active,
    valid_from,
    valid_to,
    count(*) filter (where begins_spell) over (partition by card_id order by valid_from) as spell
  from versions
),

closed_spells as (
  select card_id, spell, max(valid_to) - min(valid_from) as lasted
  from versions_by_spell
  where not active
  group by card_id, spell
  having bool_and(valid_to is not null)
),

counted as (
  select bounds.at_least, count(*) as spells
  from closed_spells
  inner join bounds
    on closed_spells.lasted >= bounds.at_least
    and (closed_spells.lasted < bounds.shorter_than or bounds.shorter_than is null)
  group by bounds.at_least
),

distribution as (
  select bounds.at_least, bounds.shorter_than, coalesce(counted.spells, 0) as spells
  from bounds
  left join counted using (at_least)
)

select
  at_least,
  shorter_than,
  spells,
  round(100.0 * spells / nullif(sum(spells) over (), 0), 1) as percent,
  round(100.0 * sum(spells) over (order by at_least) / nullif(sum(spells) over (), 0), 1) as percent_so_far
from distribution
order by at_least;
