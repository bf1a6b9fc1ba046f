-- How long was each card inactive up to a given time, and what share of its life was that?
-- A card lives from its first version on.
with params as (
  -- Until the newest version began; for another time, put instead:
  -- select timestamptz '2026-11-23 20:17:00+00' as until
  select max(valid_from) as until
  from warehouse.dim_card
),

periods as (
  select
    version.card_id,
    version.active,
    version.valid_from,
    least(version.valid_to, params.until) as valid_to
  from warehouse.dim_card as version
  inner join params on version.valid_from < params.until
),

lives as (
  select
    card_id,
    sum(valid_to - valid_from) as life,
    coalesce(sum(valid_to - valid_from) filter (where not active), interval '0') as inactive
  from periods
  group by card_id
)

select
  card_id,
  extract(epoch from inactive)::bigint as inactive_seconds,
  round(100 * extract(epoch from inactive) / extract(epoch from life), 1) as inactive_percent
from lives
where inactive > interval '0'
order by inactive desc, card_id;
