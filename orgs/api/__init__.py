"""Identity over HTTP."""

from orgs.api import agents, api_keys, audit, invitations, me, members, my_keys, organizations, persons, settings

routers = (
    me.router,
    my_keys.router,
    persons.router,
    organizations.router,
    settings.router,
    members.router,
    invitations.router,
    agents.router,
    api_keys.router,
    audit.router,
)
