-- The user whom an issuer calls so, and the organizations that they may act in: the one that is named, by id or by slug,
-- else the first two, of which a second tells that one must be named. Without any there is one row, with nulls.
CREATE OR REPLACE FUNCTION orgs_find_bearer(wanted_issuer text, wanted_subject text, by_external_id boolean,
                                            wanted_id uuid, wanted_slug text)
RETURNS TABLE (user_id uuid, is_active boolean, organization_id uuid, role text)
LANGUAGE plpgsql AS $$
BEGIN
    PERFORM set_config('role', 'holdfast_system', true);
    RETURN QUERY
        SELECT u.id, u.is_active, m.organization_id, m.role::text
        FROM accounts_user u LEFT JOIN (orgs_membership m JOIN orgs_organization o ON o.id = m.organization_id)
            ON m.user_id = u.id
            AND o.closed_at IS NULL AND (wanted_id IS NULL OR o.id = wanted_id) AND (wanted_slug IS NULL OR o.slug = wanted_slug)
        WHERE u.id = CASE WHEN by_external_id
            THEN (SELECT e.id FROM accounts_user e WHERE e.external_id = wanted_subject)
            ELSE (SELECT l.user_id FROM accounts_linkedidentity l
                  WHERE l.issuer = wanted_issuer AND l.subject = wanted_subject)
            END
        LIMIT 2;
END $$;
