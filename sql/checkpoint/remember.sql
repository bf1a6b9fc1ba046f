-- Files just dealt with. A folder that changes while it is listed may show a name twice: the later one counts.
insert into etl.recent_file (source, file_name, changed_ns)
select distinct on (file_name) $1, file_name, changed_ns
from unnest($2::text[], $3::bigint[]) as seen (file_name, changed_ns)
order by file_name, changed_ns desc
on conflict (source, file_name) do update set changed_ns = excluded.changed_ns
