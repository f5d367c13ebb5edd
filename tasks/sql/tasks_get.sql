-- One task of the organization with its last p_history messages, as JSON text; no row when there is none.
-- A connection keeps its plans. One made while a table had a single page would scan the whole table, and go on doing
-- so as the table grows, until the next ANALYZE; hence no sequential scans here and in the other hot paths.
CREATE OR REPLACE FUNCTION tasks_get(p_organization uuid, p_task uuid, p_history bigint)
RETURNS TABLE (generation bigint, document text)
LANGUAGE plpgsql SET enable_seqscan = off AS $$
BEGIN
    PERFORM set_config('role', 'holdfast_app', true),
            set_config('holdfast.organization', p_organization::text, true);
    RETURN QUERY SELECT t.generation, tasks_json(t, p_history)::text FROM tasks_task t WHERE t.id = p_task;
END $$;
