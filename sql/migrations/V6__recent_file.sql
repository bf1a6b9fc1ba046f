-- After a burst, files that were dealt with lately are remembered by the hundred thousand, and read whole by every run:
-- an index on them cost more than all the rows.
alter table etl.recent_file drop constraint recent_file_pkey;

comment on table etl.recent_file is 'Files already dealt with that changed after offset − overlap: a run looks at that stretch again and skips these. One row for each time a file was dealt with.';
