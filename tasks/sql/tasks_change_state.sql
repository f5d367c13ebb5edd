-- Change the state along the table of transitions; a state that ends or pauses work ends the lease with it.
-- Only canceling is open to others while a lease is live. Working without a lease keeps nobody from claiming.
-- Raises HF404, HF409 (stale lease), HF412, HF420 (terminal), HF421 (no such transition), HF423 (leased).
CREATE OR REPLACE FUNCTION tasks_change_state(
    p_organization uuid, p_task uuid, p_expected bigint[], p_lease bigint, p_state text, p_actor text, p_request text)
RETURNS TABLE (new_generation bigint, document text)
LANGUAGE plpgsql SET enable_seqscan = off AS $$
DECLARE
    before text;
    t tasks_task;
BEGIN
    PERFORM set_config('role', 'holdfast_app', true),
            set_config('holdfast.organization', p_organization::text, true);
    SELECT state INTO before FROM tasks_task WHERE id = p_task FOR UPDATE;
    UPDATE tasks_task
    SET generation = generation + 1, state = p_state, state_at = clock_timestamp(),
        lease_expires_at = CASE WHEN p_state = 'working' THEN lease_expires_at END
    WHERE id = p_task
      AND state NOT IN ('completed', 'canceled', 'failed', 'rejected')
      AND (p_expected IS NULL OR generation = ANY (p_expected))
      AND CASE WHEN p_lease IS NULL
               THEN p_state = 'canceled' OR lease_expires_at IS NULL OR lease_expires_at <= clock_timestamp()
               ELSE lease_token = p_lease AND lease_expires_at IS NOT NULL END
    RETURNING * INTO t;
    IF t.id IS NULL THEN
        PERFORM tasks_refuse(p_task, p_lease, p_expected);
    ELSIF before = p_state THEN
        -- The trigger sees only changes. Asked last, so that a stale token or If-Match is what a caller hears of first.
        RAISE EXCEPTION 'The task is already %.', p_state USING ERRCODE = 'HF421';
    END IF;
    INSERT INTO events_event (organization_id, subject_type, subject_id, generation, type, owner_id, actor,
                              request_id, facts)
    VALUES (p_organization, 'task', p_task, t.generation,
            'task.' || CASE p_state WHEN 'working' THEN 'started' WHEN 'submitted' THEN 'resubmitted'
                                    WHEN 'input-required' THEN 'input.requested'
                                    WHEN 'auth-required' THEN 'auth.requested' ELSE p_state END,
            t.owner_id, p_actor, p_request, jsonb_build_object('from', before, 'state', p_state));
    RETURN QUERY SELECT t.generation, tasks_summary_json(t)::text;
END $$;
