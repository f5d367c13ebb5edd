-- The settings of a user, named by id or external id: generation 0 and no document before the first were stored, and no
-- row where there is no such user. The role is given back, for the caller may be in a transaction of their own.
CREATE OR REPLACE FUNCTION accounts_load_settings(wanted text) RETURNS TABLE (generation bigint, document text)
LANGUAGE plpgsql AS $$
DECLARE
    role_before text := current_setting('role');
    wanted_id uuid;
BEGIN
    PERFORM set_config('role', 'holdfast_system', true);
    wanted_id := accounts_find_user(wanted, false);
    RETURN QUERY
        SELECT coalesce(s.generation, 0), s.document::text
        FROM accounts_user u LEFT JOIN accounts_usersettings s ON s.user_id = u.id
        WHERE u.id = wanted_id;
    PERFORM set_config('role', role_before, true);
END $$;
