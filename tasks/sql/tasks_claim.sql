-- Lease up to p_count tasks that are submitted, or whose lease has run out, oldest first; rows that other workers
-- are claiming right now are passed over. The fencing token grows with every claim.
CREATE OR REPLACE FUNCTION tasks_claim(
    p_organization uuid, p_agent uuid, p_count int, p_seconds int, p_history bigint, p_actor text, p_request text)
RETURNS TABLE (token bigint, expires_at timestamptz, document text)
LANGUAGE plpgsql SET enable_seqscan = off AS $$
DECLARE
    ids uuid[];
    states text[];
BEGIN
    PERFORM set_config('role', 'holdfast_app', true),
            set_config('holdfast.organization', p_organization::text, true);
    -- Planned at every call: a kept plan, made while few tasks had ended, may walk the index of all the
    -- organization's tasks, past every one that has ended since, instead of the small one of those still open.
    EXECUTE $choose$
        WITH chosen AS (
            SELECT t.id, t.state FROM tasks_task t
            WHERE t.organization_id = $1
              AND t.state IN ('submitted', 'working')
              AND (t.state = 'submitted' OR t.lease_expires_at <= clock_timestamp())
              AND ($2 IS NULL OR t.agent_id = $2 OR t.agent_id IS NULL)
            ORDER BY t.id
            LIMIT $3
            FOR UPDATE SKIP LOCKED
        )
        SELECT array_agg(c.id), array_agg(c.state) FROM chosen c
    $choose$ INTO ids, states USING p_organization, p_agent, p_count;
    RETURN QUERY
        WITH claimed AS (
            UPDATE tasks_task t
            SET state = 'working', generation = t.generation + 1, lease_token = t.lease_token + 1,
                state_at = CASE WHEN t.state = 'working' THEN t.state_at ELSE clock_timestamp() END,
                lease_expires_at = clock_timestamp() + make_interval(secs => p_seconds)
            FROM unnest(ids, states) AS chosen (id, state) WHERE t.id = chosen.id
            RETURNING t AS task, chosen.state AS before
        ), published AS (
            INSERT INTO events_event (organization_id, subject_type, subject_id, generation, type, owner_id, actor,
                                      request_id, facts)
            SELECT p_organization, 'task', (c.task).id, (c.task).generation, 'task.claimed', (c.task).owner_id, p_actor,
                   p_request, jsonb_build_object('from', c.before, 'state', 'working', 'lease_token', (c.task).lease_token)
            FROM claimed c
        )
        SELECT (c.task).lease_token, (c.task).lease_expires_at, tasks_json(c.task, p_history)::text
        FROM claimed c ORDER BY (c.task).id;
END $$;
