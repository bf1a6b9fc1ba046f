-- Set up once a session: how PostgreSQL's own JSON parser reads what the loader has read.
select from landing.user_event, landing.card_event limit 0;

-- The members of an object less those that are known, null when none is left.
create function pg_temp.rest(object json, known text[]) returns jsonb
language sql immutable
as $$
  select jsonb_object_agg(member.key, member.value::jsonb)
  from json_each(object) as member
  where member.key <> all (known)
$$;

-- The fields of a document that have no column, in the document's own shape, null when there are none.
create function pg_temp.unknown(document json, known text[]) returns jsonb
language sql immutable
as $$
  select
    nullif(
      coalesce(pg_temp.rest(document, '{metadata,payload}'), '{}')
      || case when metadata is null then '{}' else jsonb_build_object('metadata', metadata) end
      || case when payload is null then '{}' else jsonb_build_object('payload', payload) end,
      '{}'
    )
  from
    pg_temp.rest(document -> 'metadata', '{type,event_at,event_id}') as metadata,
    pg_temp.rest(document -> 'payload', known) as payload
$$;
