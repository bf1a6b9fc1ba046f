-- Positions of those files that have an open or dismissed rejection of the same content. Of a rejected file that was not
-- read, only the size is kept. Parallel arrays, one element a file.
with file as materialized (
  select file_name, file_size, document, position
  from unnest($3::text[], $4::bigint[], $5::bytea[]) with ordinality as file (file_name, file_size, document, position)
)

select distinct file.position
from file
inner join landing.rejected_event as rejected
  on rejected.source = $1
  and rejected.inbox = $2
  and rejected.file_name = file.file_name
  and (rejected.resolved_at is null or rejected.resolution = 'dismissed')
where case
    when rejected.document is null or file.document is null then rejected.file_size = file.file_size
    else rejected.document = file.document
  end
