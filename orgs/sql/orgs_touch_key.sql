-- Note that a key was used. At most one write a minute, however many processes saw it used.
CREATE OR REPLACE FUNCTION orgs_touch_key(wanted uuid) RETURNS void
LANGUAGE plpgsql AS $$
BEGIN
    PERFORM set_config('role', 'holdfast_system', true);
    UPDATE orgs_apikey SET last_used_at = now()
    WHERE id = wanted AND (last_used_at IS NULL OR last_used_at < now() - interval '1 minute');
END $$;
