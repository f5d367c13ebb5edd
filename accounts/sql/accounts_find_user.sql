-- The id of the user with this id or, where no user has it as an id, with this external id; else null. With p_lock the
-- row is locked, which is how writers of a user's settings take turns, also before there is a row of settings.
CREATE OR REPLACE FUNCTION accounts_find_user(wanted text, p_lock boolean) RETURNS uuid
LANGUAGE plpgsql AS $$
DECLARE
    found uuid;
BEGIN
    IF wanted ~* '^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$' THEN
        SELECT u.id INTO found FROM accounts_user u WHERE u.id = wanted::uuid;
    END IF;
    IF found IS NULL THEN
        SELECT u.id INTO found FROM accounts_user u WHERE u.external_id = wanted;
    END IF;
    IF p_lock THEN
        PERFORM FROM accounts_user u WHERE u.id = found FOR NO KEY UPDATE;
    END IF;
    RETURN found;
END $$;
