-- Finds closed rejections by file, as `etl verify --archive` does for every archived file that was rejected.
create index rejected_event_closed on landing.rejected_event (source, inbox, file_name)
where resolution in ('accepted', 'superseded');
