-- One more generation of a user for each change of what GET /me shows of the row, whoever makes it: the console, a
-- command, the user. Nobody else counts.
CREATE OR REPLACE FUNCTION accounts_count_change() RETURNS trigger
LANGUAGE plpgsql AS $$
BEGIN
    NEW.generation := OLD.generation;
    IF (NEW.email, NEW.display_name, NEW.external_id, NEW.preferences::text)
       IS DISTINCT FROM (OLD.email, OLD.display_name, OLD.external_id, OLD.preferences::text) THEN
        NEW.generation := OLD.generation + 1;
    END IF;
    RETURN NEW;
END $$;
