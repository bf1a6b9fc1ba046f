-- Takes away versions whose first event no longer changes anything.
delete from warehouse.dim_card as version
using unnest($1::bigint[], $2::bigint[]) as gone (card_id, card_key)
where version.card_id = gone.card_id and version.card_key = gone.card_key
