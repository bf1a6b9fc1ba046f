-- A row for each file that was dealt with lately is written by the hundred thousand after a burst, and read whole: an
-- index on it cost more than all its rows.
alter table etl.recent_file drop constraint recent_file_pkey;
