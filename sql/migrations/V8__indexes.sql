-- The newest open rejection of a reason is one probe, however many there are.
drop index landing.rejected_event_open;
create index rejected_event_open on landing.rejected_event (source, reason, rejected_id) where resolved_at is null;
