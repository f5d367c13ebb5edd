-- The limits that operators gave an organization; no row where the installation's hold. Called outside of any scope.
CREATE OR REPLACE FUNCTION coordination_find_rate_limits(p_organization uuid)
RETURNS TABLE (key_requests integer, organization_requests integer)
LANGUAGE plpgsql SET enable_seqscan = off AS $$
BEGIN
    PERFORM set_config('role', 'holdfast_app', true),
            set_config('holdfast.organization', p_organization::text, true);
    RETURN QUERY SELECT r.key_requests, r.organization_requests FROM coordination_organizationratelimits r
        WHERE r.organization_id = p_organization;
END $$;
