-- Replace the state as one more generation, with its event. p_expected (If-Match) may list acceptable generations.
-- Raises HFS04 when there is no such session, HF412 when its generation is another.
CREATE OR REPLACE FUNCTION sessions_replace_state(
    p_organization uuid, p_session uuid, p_expected bigint[], p_state json, p_actor text, p_request text)
RETURNS TABLE (new_generation bigint, changed_at timestamptz)
LANGUAGE plpgsql SET enable_seqscan = off AS $$
DECLARE
    current bigint;
BEGIN
    PERFORM set_config('role', 'holdfast_app', true),
            set_config('holdfast.organization', p_organization::text, true);
    RETURN QUERY
        WITH changed AS (
            UPDATE sessions_store_session s
            SET state = p_state, generation = s.generation + 1, updated_at = clock_timestamp()
            WHERE s.id = p_session AND (p_expected IS NULL OR s.generation = ANY (p_expected))
            RETURNING s.generation, s.owner_id, s.updated_at
        ), published AS (
            INSERT INTO events_event (organization_id, subject_type, subject_id, generation, type, owner_id, actor,
                                      request_id, facts)
            SELECT p_organization, 'session', p_session, c.generation, 'session.state.changed', c.owner_id, p_actor,
                   p_request, '{}'
            FROM changed c
        )
        SELECT c.generation, c.updated_at FROM changed c;
    IF NOT FOUND THEN
        SELECT s.generation INTO current FROM sessions_store_session s WHERE s.id = p_session;
        IF current IS NULL THEN
            RAISE EXCEPTION 'There is no such session.' USING ERRCODE = 'HFS04';
        END IF;
        RAISE EXCEPTION 'The current generation is %.', current USING ERRCODE = 'HF412';
    END IF;
END $$;
