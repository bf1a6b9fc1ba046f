-- How much is left while a run over many files is at work, or after one was cut off.
alter table etl.checkpoint add waiting bigint not null default 0 check (waiting >= 0);
comment on column etl.checkpoint.waiting is 'Files that the last run has found and not come to: it is at work, or was cut off.';

create function etl.pending_since(source text) returns timestamptz
language sql stable
return (
  select min(run.started_at)
  from etl.run
  where pending_since.source = any(run.sources)
    and run.since is null
    and run.run_id > coalesce((
      select latest.run_id
      from etl.run as latest
      where pending_since.source = any(latest.sources) and latest.since is null and latest.pending = 0
      order by latest.run_id desc
      limit 1
    ), 0)
);
comment on function etl.pending_since is 'When the first of the unbroken series of runs over a source began that have left files for later; null if the last left none.';
