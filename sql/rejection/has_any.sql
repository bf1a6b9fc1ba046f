-- Whether some file of a folder has a rejection that is open or dismissed. A first load has none, and need not look for
-- one for each of its files.
select exists (
  select
  from landing.rejected_event
  where source = $1 and inbox = $2 and (resolved_at is null or resolution = 'dismissed')
) as has_any
