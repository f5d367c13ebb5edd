-- Say why a write to a task changed nothing. Called after the conditional update found no row.
CREATE OR REPLACE FUNCTION tasks_refuse(p_task uuid, p_lease bigint, p_expected bigint[]) RETURNS void
LANGUAGE plpgsql AS $$
DECLARE
    t tasks_task;
BEGIN
    SELECT * INTO t FROM tasks_task WHERE id = p_task;
    IF t.id IS NULL THEN
        RAISE EXCEPTION 'There is no such task.' USING ERRCODE = 'HF404';
    ELSIF p_lease IS NOT NULL AND (t.lease_token <> p_lease OR t.lease_expires_at IS NULL) THEN
        RAISE EXCEPTION 'The lease with token % is over.', p_lease USING ERRCODE = 'HF409';
    ELSIF t.state IN ('completed', 'canceled', 'failed', 'rejected') THEN
        RAISE EXCEPTION 'The task is %.', t.state USING ERRCODE = 'HF420';
    ELSIF p_expected IS NOT NULL AND NOT t.generation = ANY (p_expected) THEN
        RAISE EXCEPTION 'The current generation is %.', t.generation USING ERRCODE = 'HF412';
    END IF;
    RAISE EXCEPTION 'The task is leased; send the token of the lease.' USING ERRCODE = 'HF423';
END $$;
