-- The settings of a transaction at its workers too, which only `set local` reaches. Each is a command of its own, since
-- Citus sends the whole text of the query that has it.
do $$
begin
  set local citus.propagate_set_commands = 'local';
  set local enable_hashjoin = off;
  set local enable_mergejoin = off;
  set local jit = off;
  execute format('set local lock_timeout = %L', current_setting('lock_timeout'));
end
$$
