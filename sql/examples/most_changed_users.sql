-- Which users changed most often, in one column?
-- The first version of a user changes nothing.
with params as (
  -- Changes of the score; for the name, the address or the job, put instead:
  -- select 'name' as changed_column
  select 'score' as changed_column
),

versions as (
  select
    user_id,
    valid_from,
    row_number() over timeline > 1 as is_change,
    name is distinct from lag(name) over timeline as changes_name,
    address is distinct from lag(address) over timeline as changes_address,
    job is distinct from lag(job) over timeline as changes_job,
    score is distinct from lag(score) over timeline as changes_score
  from warehouse.dim_user
  window timeline as (partition by user_id order by valid_from)
)

select
  versions.user_id,
  count(*) as changes,
  max(versions.valid_from) as last_changed_at
from versions
cross join params
where versions.is_change
  and case params.changed_column
    when 'name' then versions.changes_name
    when 'address' then versions.changes_address
    when 'job' then versions.changes_job
    when 'score' then versions.changes_score
  end
group by versions.user_id
order by changes desc, versions.user_id
limit 10;
