-- Which fields get files rejected most often, and for what?
-- The sentence of a rejection begins with the field, if it is about one; other reasons concern the whole document.
with open_rejections as (
  select
    source,
    reason,
    case
      when reason in ('missing_field', 'wrong_type', 'out_of_range', 'invalid_time', 'invalid_event_id',
        'unknown_type', 'invalid_text', 'duplicate_field', 'not_an_object', 'too_deep', 'from_the_future')
        then substring(detail from '^(.+?) (?:is|has|appears) ')
    end as field,
    file_name,
    rejected_at
  from landing.rejected_event
  where resolved_at is null
)

select
  source,
  coalesce(field, 'the document') as field,
  reason,
  count(*) as files,
  min(file_name) as example
from open_rejections
group by source, coalesce(field, 'the document'), reason
order by files desc, source, field, reason;
