-- The API key with this public id, of whichever organization: the one look-up that comes before the tenant is known.
-- role is the bearing user's in the organization; null once the user was deactivated or has left it, and for other bearers.
-- The key of an organization that is being erased is as unknown as it will be: a refusal would be noted in its trail.
CREATE OR REPLACE FUNCTION orgs_find_key(wanted text)
RETURNS TABLE (id uuid, organization_id uuid, digest bytea, scopes text[], user_id uuid, agent_id uuid,
               expires_at timestamptz, revoked_at timestamptz, last_used_at timestamptz, role text, environment text)
LANGUAGE plpgsql AS $$
BEGIN
    PERFORM set_config('role', 'holdfast_system', true);
    RETURN QUERY
        SELECT k.id, k.organization_id, k.digest, k.scopes::text[], k.user_id, k.agent_id,
               k.expires_at, k.revoked_at, k.last_used_at,
               (SELECT m.role::text FROM accounts_user u JOIN orgs_membership m ON m.user_id = u.id
                WHERE u.id = k.user_id AND u.is_active AND m.organization_id = k.organization_id),
               k.environment::text
        FROM orgs_apikey k WHERE k.key_id = wanted
          AND EXISTS (SELECT FROM orgs_organization o WHERE o.id = k.organization_id AND o.closed_at IS NULL);
END $$;
