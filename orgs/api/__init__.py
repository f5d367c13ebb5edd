"""Identity over HTTP."""

from orgs.api import agents, api_keys, audit, me, members, organizations

routers = (me.router, organizations.router, members.router, agents.router, api_keys.router, audit.router)
