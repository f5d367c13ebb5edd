"""One change of a subject: its audit entry, its event, and the generation that it was asked on."""

from typing import Any

from api.etags import PreconditionFailed
from audit.models import Action, SubjectType
from audit.services import record
from orgs.changes import Change, announce
from orgs.models import Agent, APIKey, Invitation, Membership, Organization, TenantModel

# What a change of each subject is called in the event log and in audit.
SUBJECTS: dict[type[Organization | TenantModel], SubjectType] = {
    Organization: "organization",
    Membership: "membership",
    Invitation: "invitation",
    Agent: "agent",
    APIKey: "api-key",
}


def note(action: Action, row: Organization | TenantModel, actor: str, **facts: Any) -> None:
    """Write the audit entry and the event of one change."""
    organization_id = row.id if isinstance(row, Organization) else row.organization_id
    subject = SUBJECTS[type(row)]
    record(action, organization_id=organization_id, actor=actor, subject_type=subject, subject_id=row.id, **facts)
    announce(Change(organization_id, subject, row.id, row.generation, str(action), row.owner_id, actor, facts))


def expect(row: Organization | TenantModel, expected: list[int] | None) -> None:
    if expected is not None and row.generation not in expected:
        raise PreconditionFailed(f"The current generation is {row.generation}.")
