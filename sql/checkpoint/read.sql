-- Where the sources stand, and which migration the schema is at.
select
  source,
  offset_at,
  pending,
  (select max(version) from etl.schema_history) as schema_version,
  folder_inode,
  folder_changed_ns,
  listed_at,
  verified_at,
  round_began_at,
  round_turns,
  round_turn,
  waiting
from etl.checkpoint
where source = any($1)
