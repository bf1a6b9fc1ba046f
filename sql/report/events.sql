-- The events of a kind. Their union over all kinds replaces {events} in the other statements.
select '{kind}' as kind, event_at, file_modified_at, run_id
from landing.{kind}_event
