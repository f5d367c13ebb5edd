"""What this app holds of a person."""

from accounts.holdings import Holding, Lines
from accounts.own_holdings import PSEUDONYM
from orgs.person_erasing import erase_api_keys, erase_invitations, erase_places

KEY = "id, key_id, name, scopes, user_id, agent_id, owner_id, created_at, expires_at, last_used_at, revoked_at"
AGENT = "id, name, slug, description, card, generation, created_at"
OWNER = f"owner_id is {PSEUDONYM}"

HOLDINGS = (
    Holding(
        "memberships",
        claims=("orgs.Membership.user_id", "orgs.Membership.owner_id"),
        lines=(
            Lines(
                "memberships",
                "orgs_membership",
                "id, organization_id, role, generation, created_at",
                "user_id = %(user)s",
            ),
        ),
        erase=erase_places,
    ),
    Holding(
        "invitations",
        claims=("orgs.Invitation.accepted_by_id", "orgs.Invitation.owner_id"),
        lines=(
            Lines(
                "invitations",
                "orgs_invitation",
                "id, organization_id, email, role, created_at, expires_at, accepted_at, revoked_at",
                "accepted_by_id = %(user)s"
                " OR lower(email) = (SELECT lower(u.email) FROM accounts_user u WHERE u.id = %(user)s)",
            ),
        ),
        erase=erase_invitations,
        kept={"invitations that they sent": f"they are the organization's; {OWNER}"},
    ),
    Holding(
        "api-keys",
        claims=("orgs.APIKey.user_id", "orgs.APIKey.owner_id"),
        lines=(Lines("api-keys", "orgs_apikey", KEY, "user_id = %(user)s OR owner_id = %(user)s"),),
        erase=erase_api_keys,
        kept={"API keys that they made for agents and services": f"they are the organization's; {OWNER}"},
    ),
    Holding(
        "agents",
        claims=("orgs.Agent.owner_id",),
        lines=(Lines("agents", "orgs_agent", AGENT, "owner_id = %(user)s"),),
        kept={"agents that they registered": f"they are the organization's; {OWNER}"},
    ),
    Holding(
        "organizations",
        claims=("orgs.Organization.owner_id",),
        kept={"organizations that they made": f"they are their other owners'; {OWNER}"},
    ),
)
