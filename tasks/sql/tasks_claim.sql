-- Lease up to p_count tasks that are submitted, or worked on under no live lease, the one that waits longest first; rows
-- that other workers are claiming right now are passed over. The fencing token grows with every claim. Fewer are leased
-- when their documents come to 8 MiB before: an answer has to stay bearable.
CREATE OR REPLACE FUNCTION tasks_claim(
    p_organization uuid, p_agent uuid, p_count int, p_seconds int, p_history bigint, p_actor text, p_request text)
RETURNS TABLE (token bigint, expires_at timestamptz, document text)
LANGUAGE plpgsql SET enable_seqscan = off AS $$
DECLARE
    chosen record;
    t tasks_task;
    given bigint := 0;
BEGIN
    PERFORM set_config('role', 'holdfast_app', true),
            set_config('holdfast.organization', p_organization::text, true);
    -- Planned at every call: a kept plan, made while few tasks had ended, may walk the index of all the
    -- organization's tasks, past every one that has ended since, instead of the small one of those still open.
    -- Only that one has this order, in which live leases come last. The time is a parameter, because an index is not
    -- searched by what a volatile function returns; CASE stands for COALESCE, which a policy keeps from the index.
    FOR chosen IN EXECUTE $choose$
        SELECT t.id, t.state FROM tasks_task t
        WHERE t.organization_id = $1
          AND t.state IN ('submitted', 'working')
          AND CASE WHEN t.lease_expires_at IS NULL THEN t.state_at ELSE t.lease_expires_at END <= $4
          AND ($2 IS NULL OR t.agent_id = $2 OR t.agent_id IS NULL)
        ORDER BY CASE WHEN t.lease_expires_at IS NULL THEN t.state_at ELSE t.lease_expires_at END, t.id
        LIMIT $3
        FOR UPDATE SKIP LOCKED
    $choose$ USING p_organization, p_agent, p_count, clock_timestamp()
    LOOP
        UPDATE tasks_task
        SET state = 'working', generation = generation + 1, lease_token = lease_token + 1,
            state_at = CASE WHEN state = 'working' THEN state_at ELSE clock_timestamp() END,
            lease_expires_at = clock_timestamp() + make_interval(secs => p_seconds)
        WHERE id = chosen.id
        RETURNING * INTO t;
        INSERT INTO events_event (organization_id, subject_type, subject_id, generation, type, owner_id, actor,
                                  request_id, facts)
        VALUES (p_organization, 'task', t.id, t.generation, 'task.claimed', t.owner_id, p_actor, p_request,
                jsonb_build_object('from', chosen.state, 'state', 'working', 'lease_token', t.lease_token));
        token := t.lease_token;
        expires_at := t.lease_expires_at;
        document := tasks_json(t, p_history)::text;
        RETURN NEXT;
        given := given + octet_length(document);
        EXIT WHEN given >= 8388608;
    END LOOP;
END $$;
