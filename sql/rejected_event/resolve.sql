-- A good version of the file has arrived.
--
-- "offset 0" keeps the planner to the key: the index over what is open has the source in it too, and going through all
-- of it for each file looks cheap for as long as the table was never analysed.
update landing.rejected_event
set resolved_at = now(), resolved_run_id = $1
where resolved_at is null
  and rejected_id = any(array(
    select known.rejected_id
    from unnest($3::text[]) as good (file_name)
    cross join lateral (
      select rejected.rejected_id
      from landing.rejected_event as rejected
      where rejected.source = $2 and rejected.file_name = good.file_name
      offset 0
    ) as known
  ))
