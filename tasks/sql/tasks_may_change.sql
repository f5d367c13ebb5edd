-- The one table of transitions (A2A 1.0 §4.1.3). A terminal state has no row, so nothing leaves it.
-- Also the trigger's function: whatever path an UPDATE takes, it cannot break the table.
CREATE OR REPLACE FUNCTION tasks_may_change(p_from text, p_to text) RETURNS boolean
LANGUAGE sql IMMUTABLE AS $$
    SELECT CASE p_from
        WHEN 'submitted' THEN p_to IN ('working', 'input-required', 'auth-required',
                                       'completed', 'canceled', 'failed', 'rejected')
        WHEN 'working' THEN p_to IN ('submitted', 'input-required', 'auth-required',
                                     'completed', 'canceled', 'failed', 'rejected')
        WHEN 'input-required' THEN p_to IN ('submitted', 'working', 'auth-required',
                                            'completed', 'canceled', 'failed', 'rejected')
        WHEN 'auth-required' THEN p_to IN ('submitted', 'working', 'input-required',
                                           'completed', 'canceled', 'failed', 'rejected')
        ELSE false
    END
$$;

CREATE OR REPLACE FUNCTION tasks_guard_state() RETURNS trigger
LANGUAGE plpgsql AS $$
BEGIN
    IF NOT tasks_may_change(OLD.state, NEW.state) THEN
        RAISE EXCEPTION 'A % task cannot become %.', OLD.state, NEW.state
            USING ERRCODE = CASE WHEN OLD.state IN ('completed', 'canceled', 'failed', 'rejected')
                                 THEN 'HF420' ELSE 'HF421' END;
    END IF;
    RETURN NEW;
END $$;
