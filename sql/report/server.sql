-- Which warehouse this is. The address is null for a connection by a Unix socket.
select
  current_database()::text as database,
  host(inet_server_addr()) as address,
  current_setting('port')::integer as port,
  split_part(current_setting('server_version'), ' ', 1) as version
