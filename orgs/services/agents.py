"""Verbs that register and change agents."""

import uuid
from collections.abc import Mapping
from typing import Any

from django.db import transaction
from django.db.models import QuerySet

from audit.models import Action
from orgs import tenancy
from orgs.models import Agent
from orgs.principals import Principal
from orgs.services.constraints import constraints
from orgs.services.recording import expect, note


def create_agent(principal: Principal, *, name: str, slug: str, description: str) -> Agent:
    with tenancy.organization(principal.organization_id):
        return add_agent(
            principal.organization_id,
            owner_id=principal.actor_id,
            fields={"name": name, "slug": slug, "description": description},
            actor=principal.actor,
        )


def add_agent(organization_id: uuid.UUID, *, owner_id: uuid.UUID, fields: Mapping[str, Any], actor: str) -> Agent:
    """Register an agent inside the open scope. Raises SlugTaken."""
    with constraints(), transaction.atomic():
        agent = Agent.objects.create(organization_id=organization_id, owner_id=owner_id, **fields)
        note(Action.AGENT_CREATED, agent, actor, slug=agent.slug)
    return agent


def change_agent(
    principal: Principal, agent_id: uuid.UUID, *, changes: Mapping[str, Any], expected: list[int] | None
) -> Agent:
    """Set the given fields. Raises Agent.DoesNotExist, PreconditionFailed, SlugTaken."""
    with tenancy.organization(principal.organization_id):
        agents = Agent.objects.filter(organization_id=principal.organization_id)
        return set_agent_fields(agents, agent_id, changes=changes, actor=principal.actor, expected=expected)


def set_agent_fields(
    agents: QuerySet[Agent],
    agent_id: uuid.UUID,
    *,
    changes: Mapping[str, Any],
    actor: str,
    expected: list[int] | None = None,
) -> Agent:
    """Do the same to one of these agents, inside the open scope."""
    with constraints(), transaction.atomic():
        agent = agents.select_for_update().get(id=agent_id)
        expect(agent, expected)
        if changes:
            for field, value in changes.items():
                setattr(agent, field, value)
            agent.save_change(*changes)
            note(Action.AGENT_CHANGED, agent, actor, fields=sorted(changes))
    return agent
