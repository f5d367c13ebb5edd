-- Store the settings of a user, named by id or external id, as one more generation. `expected` may list the generations
-- that they may have now, 0 for none stored; where they have another, nothing is stored and that one is told. No row
-- where there is no such user. The role is given back, for the caller may be in a transaction of their own.
CREATE OR REPLACE FUNCTION accounts_store_settings(wanted text, document json, expected bigint[])
RETURNS TABLE (stored boolean, generation bigint)
LANGUAGE plpgsql AS $$
DECLARE
    role_before text := current_setting('role');
    wanted_id uuid;
    current bigint;
BEGIN
    PERFORM set_config('role', 'holdfast_system', true);
    wanted_id := accounts_find_user(wanted, true);
    IF wanted_id IS NOT NULL THEN
        SELECT s.generation INTO current FROM accounts_usersettings s WHERE s.user_id = wanted_id;
        stored := expected IS NULL OR coalesce(current, 0) = ANY (expected);
        IF stored THEN
            INSERT INTO accounts_usersettings AS s (user_id, document, generation, updated_at)
            VALUES (wanted_id, accounts_store_settings.document, 1, clock_timestamp())
            ON CONFLICT (user_id) DO UPDATE
            SET document = excluded.document, generation = s.generation + 1, updated_at = excluded.updated_at
            RETURNING s.generation INTO current;
        END IF;
        generation := coalesce(current, 0);
        RETURN NEXT;
    END IF;
    PERFORM set_config('role', role_before, true);
END $$;
