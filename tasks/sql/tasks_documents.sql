-- Tasks and what belongs to them as the API gives them; json columns go in as the text they hold.
CREATE OR REPLACE FUNCTION tasks_time(t timestamptz) RETURNS text
LANGUAGE sql STABLE AS $$ SELECT to_char(t AT TIME ZONE 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.US"Z"') $$;

CREATE OR REPLACE FUNCTION tasks_message_json(m tasks_message) RETURNS json
LANGUAGE sql STABLE AS $$
    SELECT json_build_object('number', m.number, 'message_id', m.message_id, 'role', m.role, 'parts', m.parts,
                             'metadata', m.metadata, 'owner_id', m.owner_id, 'generation', m.generation,
                             'created_at', tasks_time(m.created_at))
$$;

CREATE OR REPLACE FUNCTION tasks_artifact_json(a tasks_artifact) RETURNS json
LANGUAGE sql STABLE AS $$
    SELECT json_build_object('artifact_id', a.artifact_id, 'name', a.name, 'description', a.description,
                             'metadata', a.metadata, 'chunk_count', a.chunk_count, 'complete', a.complete,
                             'owner_id', a.owner_id, 'generation', a.generation,
                             'created_at', tasks_time(a.created_at))
$$;

-- A task without what belongs to it. Nothing of the lease: a heartbeat moves it without a new generation, so a copy
-- with the current ETag would be wrong.
CREATE OR REPLACE FUNCTION tasks_summary_json(t tasks_task) RETURNS json
LANGUAGE sql STABLE AS $$
    SELECT json_build_object(
        'id', t.id, 'context_id', t.context_id, 'agent_id', t.agent_id, 'owner_id', t.owner_id,
        'state', t.state, 'state_at', tasks_time(t.state_at), 'metadata', t.metadata,
        'message_count', t.message_count, 'artifact_count', t.artifact_count,
        'generation', t.generation, 'created_at', tasks_time(t.created_at))
$$;

-- The same with the last p_history messages in order and the first 100 artifacts without their parts. Of messages that
-- take more than 8 MiB together the newest are given, at least one: bytes_before tells without a look at those left
-- out. (The names stand here once more, because putting two JSON texts together took 20 % of a read.)
CREATE OR REPLACE FUNCTION tasks_json(t tasks_task, p_history bigint) RETURNS json
LANGUAGE sql STABLE AS $$
    SELECT json_build_object(
        'id', t.id, 'context_id', t.context_id, 'agent_id', t.agent_id, 'owner_id', t.owner_id,
        'state', t.state, 'state_at', tasks_time(t.state_at), 'metadata', t.metadata,
        'message_count', t.message_count, 'artifact_count', t.artifact_count,
        'generation', t.generation, 'created_at', tasks_time(t.created_at),
        'history', coalesce(json_agg(tasks_message_json(m) ORDER BY m.number), '[]'),
        'history_truncated', count(*) < least(p_history, t.message_count),
        'artifacts', (SELECT coalesce(json_agg(tasks_artifact_json(a) ORDER BY a.number), '[]')
                      FROM tasks_artifact a WHERE a.task_id = t.id AND a.number <= 100))
    FROM tasks_message m
    WHERE m.task_id = t.id AND m.number > t.message_count - p_history
      AND (t.message_bytes - m.bytes_before <= 8388608 OR m.number = t.message_count)
$$;
