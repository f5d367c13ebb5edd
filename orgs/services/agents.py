"""Verbs that register and change agents."""

import uuid
from collections.abc import Mapping
from datetime import datetime
from typing import Any

from django.db import transaction
from django.db.models import Q, QuerySet

from audit.models import Action
from orgs import limits, tenancy
from orgs.authentication import confirm
from orgs.departures import release_all
from orgs.models import Agent, APIKey
from orgs.principals import Principal
from orgs.services.api_keys import mark_revoked
from orgs.services.constraints import constraints
from orgs.services.key_policy import lock_policy
from orgs.services.key_powers import check_environment
from orgs.services.recording import expect, note


def create_agent(principal: Principal, *, fields: Mapping[str, Any]) -> Agent:
    with tenancy.organization(principal.organization_id):
        return add_agent(
            principal.organization_id,
            owner_id=principal.actor_id,
            fields=fields,
            actor=principal.actor,
        )


def add_agent(organization_id: uuid.UUID, *, owner_id: uuid.UUID, fields: Mapping[str, Any], actor: str) -> Agent:
    """Register an agent inside the open scope. Raises SlugTaken, LimitReached."""
    with constraints(), transaction.atomic():
        limits.hold(organization_id, "agents")
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


def delete_agent(principal: Principal, agent_id: uuid.UUID, *, expected: list[int] | None, now: datetime) -> None:
    """Delete an agent and its keys, which are revoked first; what else names it is told, and stays.

    The organization is locked first, so that meanwhile no key is made for the agent or rotated; then its keys, then the
    agent. Whoever is about to name the agent has locked it and is waited for, or waits and does not find it.
    Raises Agent.DoesNotExist, PreconditionFailed, EnvironmentRefused, ScopeMissing, KeyRevoked, KeyExpired.
    """
    with tenancy.organization(principal.organization_id):
        lock_policy(principal.organization_id)
        keys = APIKey.objects.filter(organization_id=principal.organization_id).order_by("id")
        list(keys.filter(Q(agent_id=agent_id) | Q(id=principal.key_id)).select_for_update().values("id"))
        confirm(principal, now)
        borne = keys.filter(agent_id=agent_id)
        agents = Agent.objects.filter(organization_id=principal.organization_id)
        agent = agents.select_for_update().get(id=agent_id)
        expect(agent, expected)
        doomed = list(borne.select_for_update())
        for key in doomed:
            check_environment(principal, key.environment)
        for key in doomed:
            mark_revoked(key, actor=principal.actor, now=now)
        release_all(agent, principal.actor)
        agent.generation += 1
        note(Action.AGENT_DELETED, agent, principal.actor, slug=agent.slug)
        agent.delete()
