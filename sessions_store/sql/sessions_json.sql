-- A session as the API gives it. json columns go in as the text they hold, so numbers keep every digit.
CREATE OR REPLACE FUNCTION sessions_json(s sessions_store_session) RETURNS json
LANGUAGE sql STABLE AS $$
    SELECT json_build_object(
        'id', s.id, 'title', s.title, 'agent_id', s.agent_id, 'owner_id', s.owner_id, 'state', s.state,
        'metadata', s.metadata, 'generation', s.generation,
        'created_at', to_char(s.created_at AT TIME ZONE 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.US"Z"'),
        'updated_at', to_char(s.updated_at AT TIME ZONE 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.US"Z"'))
$$;
