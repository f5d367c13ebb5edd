-- Append one message: task row, message row and event row in one statement. A user's message to a task that waits
-- for it puts the task back to submitted. While a lease is live, only its holder appends what an agent says.
-- Raises HF404, HF409 (stale lease), HF412 (p_expected), HF420 (terminal), HF423 (leased).
CREATE OR REPLACE FUNCTION tasks_append_message(
    p_organization uuid, p_task uuid, p_expected bigint[], p_lease bigint, p_message_id text, p_role text,
    p_parts json, p_metadata json, p_owner uuid, p_actor text, p_request text)
RETURNS TABLE (new_generation bigint, document text)
LANGUAGE plpgsql SET enable_seqscan = off AS $$
DECLARE
    size int := octet_length(p_parts::text) + octet_length(p_metadata::text);
BEGIN
    PERFORM set_config('role', 'holdfast_app', true),
            set_config('holdfast.organization', p_organization::text, true);
    RETURN QUERY
        WITH changed AS (
            UPDATE tasks_task t
            SET generation = t.generation + 1,
                message_count = t.message_count + 1,
                message_bytes = t.message_bytes + size,
                state = CASE WHEN p_role = 'user' AND t.state IN ('input-required', 'auth-required')
                             THEN 'submitted' ELSE t.state END,
                state_at = CASE WHEN p_role = 'user' AND t.state IN ('input-required', 'auth-required')
                                THEN clock_timestamp() ELSE t.state_at END
            WHERE t.id = p_task
              AND t.state NOT IN ('completed', 'canceled', 'failed', 'rejected')
              AND (p_expected IS NULL OR t.generation = ANY (p_expected))
              AND CASE WHEN p_lease IS NULL
                       THEN p_role = 'user' OR t.lease_expires_at IS NULL OR t.lease_expires_at <= clock_timestamp()
                       ELSE t.lease_token = p_lease AND t.lease_expires_at IS NOT NULL END
            RETURNING t.generation, t.message_count, t.message_bytes, t.state, t.owner_id
        ), appended AS (
            INSERT INTO tasks_message (organization_id, task_id, number, owner_id, message_id, role, parts, metadata,
                                       bytes_before, generation)
            SELECT p_organization, p_task, c.message_count, p_owner, p_message_id, p_role, p_parts, p_metadata,
                   c.message_bytes - size, c.generation
            FROM changed c
            RETURNING created_at
        ), published AS (
            INSERT INTO events_event (organization_id, subject_type, subject_id, generation, type, owner_id, actor,
                                      request_id, facts)
            SELECT p_organization, 'task', p_task, c.generation, 'task.message.appended', c.owner_id, p_actor,
                   p_request, jsonb_build_object('number', c.message_count, 'role', p_role, 'state', c.state)
            FROM changed c
        )
        SELECT c.generation,
               json_build_object('task_id', p_task, 'message_id', p_message_id, 'number', c.message_count,
                                 'generation', c.generation, 'state', c.state,
                                 'created_at', tasks_time(a.created_at))::text
        FROM changed c, appended a;
    IF NOT FOUND THEN
        PERFORM tasks_refuse(p_task, p_lease, p_expected);
    END IF;
END $$;
