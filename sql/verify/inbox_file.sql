-- The names in the inbox, for as long as this connection lasts.
create temporary table inbox_file (
  source text not null,
  file_name text not null
)
