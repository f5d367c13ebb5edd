"""Identity over HTTP."""

from orgs.api import agents, api_keys, audit, invitations, me, members, organizations

routers = (
    me.router,
    organizations.router,
    members.router,
    invitations.router,
    agents.router,
    api_keys.router,
    audit.router,
)
