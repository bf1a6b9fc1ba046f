-- Rejected files by source and reason, open and resolved, with the newest. $1 is how many characters of a text are read.
with reasons as (
  select
    source,
    reason,
    count(*) filter (where resolved_at is null) as open_files,
    count(*) filter (where resolved_at is not null) as resolved_files,
    max(rejected_id) as newest_id
  from landing.rejected_event
  group by source, reason
)

select
  reasons.source, reasons.reason, reasons.open_files, reasons.resolved_files,
  left(newest.file_name, $1) as file_name, left(newest.detail, $1) as detail
from reasons
inner join landing.rejected_event as newest on newest.rejected_id = reasons.newest_id
order by reasons.open_files desc, reasons.resolved_files desc, reasons.source, reasons.reason
