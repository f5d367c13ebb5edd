"""References stay inside an organization, whatever writes them: foreign keys look past row-level security."""

import uuid
from collections.abc import Callable

import pytest
from django.db import IntegrityError

from api import documents
from orgs import tenancy
from orgs.models import APIKey, Organization
from sessions_store.models import Session
from tasks.models import Context, Message, Task
from tests import factories


def _context(organization: Organization) -> uuid.UUID:
    with tenancy.organization(organization.id):
        return Context.objects.create(organization=organization, owner_id=organization.owner_id, metadata={}).id


def _task(organization: Organization, context_id: uuid.UUID, agent_id: uuid.UUID | None = None) -> uuid.UUID:
    with tenancy.organization(organization.id):
        return Task.objects.create(
            organization=organization,
            owner_id=organization.owner_id,
            context_id=context_id,
            agent_id=agent_id,
            metadata={},
        ).id


def _session_of_anothers_agent(organization: Organization, other: Organization) -> None:
    agent = factories.make_agent(other)
    with tenancy.organization(organization.id):
        Session.objects.create(
            organization=organization, owner_id=organization.owner_id, agent_id=agent.id, state={}, metadata={}
        )


def _task_of_anothers_agent(organization: Organization, other: Organization) -> None:
    _task(organization, _context(organization), factories.make_agent(other).id)


def _task_in_anothers_context(organization: Organization, other: Organization) -> None:
    _task(organization, _context(other))


def _message_of_anothers_task(organization: Organization, other: Organization) -> None:
    task_id = _task(other, _context(other))
    with tenancy.organization(organization.id):
        Message.objects.create(
            organization=organization,
            task_id=task_id,
            number=1,
            owner_id=organization.owner_id,
            message_id="m",
            role="user",
            parts=documents.parse(b"[]"),
            metadata={},
            bytes_before=0,
            generation=1,
        )


def _key_of_anothers_agent(organization: Organization, other: Organization) -> None:
    factories.make_key(organization, agent=factories.make_agent(other))


def _key_that_replaces_anothers(organization: Organization, other: Organization) -> None:
    strange = factories.make_key(other).row
    own = factories.make_key(organization).row
    with tenancy.system():
        APIKey.objects.filter(id=own.id).update(replaces_id=strange.id)


@pytest.mark.parametrize(
    "write",
    [
        _session_of_anothers_agent,
        _task_of_anothers_agent,
        _task_in_anothers_context,
        _message_of_anothers_task,
        _key_of_anothers_agent,
        _key_that_replaces_anothers,
    ],
)
def test_the_database_refuses_a_reference_to_another_organization(
    organization: Organization, write: Callable[[Organization, Organization], None]
) -> None:
    other = factories.make_organization()

    with pytest.raises(IntegrityError, match="same_organization"):
        write(organization, other)


def test_the_database_accepts_references_inside_the_organization(organization: Organization) -> None:
    task_id = _task(organization, _context(organization), factories.make_agent(organization).id)

    with tenancy.organization(organization.id):
        assert Task.objects.filter(id=task_id).exists()
