"""The organization's agents."""

import uuid

from django.http import HttpResponse
from django.utils import timezone
from ninja import Router
from ninja.responses import Status

from api import etags
from api.cursors import DEFAULT_LIMIT, Listing, Page, paginate
from api.headers import reads
from orgs import tenancy
from orgs.api.parameters import Cursor, Limit
from orgs.cards import document
from orgs.models import Agent
from orgs.permissions import Scope, requires
from orgs.principals import Request
from orgs.schemas import PageOut
from orgs.schemas.agents import AgentIn, AgentOut, AgentPatch
from orgs.services import agents
from orgs.subjects import expected_generations, get_subject, tagged

router = Router(tags=["agents"])


@router.post("/agents", response={201: AgentOut})
@requires(Scope.AGENTS_WRITE)
def create_agent(request: Request, body: AgentIn, response: HttpResponse) -> Status[Agent]:
    """Register an agent."""
    fields = {**body.model_dump(exclude={"card"}), "card": document(body.card)}
    agent = agents.create_agent(request.principal, fields=fields)
    response["Location"] = f"/api/v1/agents/{agent.id}"
    return Status(201, tagged(response, agent))


@router.get("/agents", response=PageOut[AgentOut])
@requires(Scope.AGENTS_READ)
def list_agents(request: Request, cursor: Cursor | None = None, limit: Limit = DEFAULT_LIMIT) -> Page[Agent]:
    """List the organization's agents, newest first."""
    organization_id = request.principal.organization_id
    with tenancy.organization(organization_id):
        rows = Agent.objects.filter(organization_id=organization_id)
        return paginate(rows, Listing("agents", organization_id), cursor=cursor, limit=limit)


@router.get("/agents/{id:agent_id}", response=AgentOut)
@requires(Scope.AGENTS_READ)
def get_agent(request: Request, agent_id: uuid.UUID, response: HttpResponse) -> Agent:
    """Return one agent."""
    return get_subject(request, response, Agent.objects.filter(id=agent_id))


@router.patch("/agents/{id:agent_id}", response=AgentOut)
@requires(Scope.AGENTS_WRITE)
@reads(etags.IF_MATCH)
def change_agent(request: Request, agent_id: uuid.UUID, body: AgentPatch, response: HttpResponse) -> Agent:
    """Change the given fields of an agent; a card that is given replaces the one there was as a whole."""
    agent = agents.change_agent(
        request.principal,
        agent_id,
        changes=body.model_dump(exclude_unset=True),
        expected=expected_generations(request, Agent, agent_id),
    )
    return tagged(response, agent)


@router.delete("/agents/{id:agent_id}", response={204: None})
@requires(Scope.AGENTS_ADMIN)
@reads(etags.IF_MATCH)
def delete_agent(request: Request, agent_id: uuid.UUID) -> Status[None]:
    """Delete an agent with its keys. Its sessions and tasks stay and are nobody's: any worker may claim the tasks.

    A key that is not for production deletes no agent with keys of another environment than its own.
    """
    expected = expected_generations(request, Agent, agent_id)
    agents.delete_agent(request.principal, agent_id, expected=expected, now=timezone.now())
    return Status(204, None)
