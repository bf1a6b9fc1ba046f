-- How far the round through the old files has come.
update etl.checkpoint
set verified_at = $2, round_began_at = $3, round_turns = $4, round_turn = $5
where source = $1
