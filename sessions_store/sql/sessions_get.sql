-- One session of the organization as JSON text, with its generation; no row when there is none.
CREATE OR REPLACE FUNCTION sessions_get(p_organization uuid, p_session uuid)
RETURNS TABLE (generation bigint, document text)
LANGUAGE plpgsql SET enable_seqscan = off AS $$
BEGIN
    PERFORM set_config('role', 'holdfast_app', true),
            set_config('holdfast.organization', p_organization::text, true);
    RETURN QUERY SELECT s.generation, sessions_json(s)::text FROM sessions_store_session s WHERE s.id = p_session;
END $$;
