-- A heartbeat: the lease runs p_seconds from now. No change of the task, hence neither generation nor event.
-- Raises HF404, HF409 (stale lease), HF420 (terminal).
CREATE OR REPLACE FUNCTION tasks_extend_lease(p_organization uuid, p_task uuid, p_lease bigint, p_seconds int)
RETURNS TABLE (expires_at timestamptz)
LANGUAGE plpgsql SET enable_seqscan = off AS $$
BEGIN
    PERFORM set_config('role', 'holdfast_app', true),
            set_config('holdfast.organization', p_organization::text, true);
    RETURN QUERY
        UPDATE tasks_task t SET lease_expires_at = clock_timestamp() + make_interval(secs => p_seconds)
        WHERE t.id = p_task AND t.lease_token = p_lease AND t.lease_expires_at IS NOT NULL
        RETURNING t.lease_expires_at;
    IF NOT FOUND THEN
        PERFORM tasks_refuse(p_task, p_lease, NULL);
    END IF;
END $$;
