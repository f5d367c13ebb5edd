"""The wire of the audit trail."""

import ipaddress
import re
import uuid
from datetime import datetime
from typing import Annotated, Any

from pydantic import AfterValidator, BaseModel, Field, StringConstraints, WithJsonSchema

from api.values import SUBJECT_ID, Instant
from audit.models import Action, Outcome, SubjectType
from orgs.schemas import Out

ACTOR = re.compile(f"(?:user|agent|api-key|operator):{SUBJECT_ID.pattern}|operator:shell|system|anonymous")
ACTORS = "user:<id>, agent:<id>, api-key:<id>, operator:<id>, operator:shell, system and anonymous"


def _actions(text: str) -> str:
    """Return the actions in one order, so that a cursor belongs to them however they are written."""
    named = set(text.split(","))
    if unknown := sorted(named - set(Action.values)):
        raise ValueError(f"holds what is no action: {', '.join(unknown)[:100]}")
    return ",".join(sorted(named))


def _address(text: str) -> str:
    try:
        return str(ipaddress.ip_address(text.partition("%")[0]))
    except ValueError:
        raise ValueError("is no IP address") from None


def _actor(text: str) -> str:
    """Return the actor as it is recorded; an id may come in either case."""
    if not ACTOR.fullmatch(text):
        raise ValueError(f"is no actor: those are {ACTORS}, each id a UUID")
    return text.lower()


class AuditFilter(BaseModel):
    """Which entries are meant: those to which all that is given applies."""

    action: Annotated[
        str | None, AfterValidator(lambda text: text and _actions(text)), Field(min_length=1, max_length=2000)
    ] = Field(None, description="One action, or several with commas between.", examples=["agent.created,agent.deleted"])
    actor: (
        Annotated[str, AfterValidator(_actor), WithJsonSchema({"type": "string", "pattern": f"^(?:{ACTOR.pattern})$"})]
        | None
    ) = Field(None, description=f"Who did it: {ACTORS} are all there are.")
    subject_type: SubjectType | None = Field(None, description="What kind of thing it was done to.")
    subject_id: Annotated[str, StringConstraints(min_length=1, max_length=64)] | None = None
    outcome: Outcome | None = None
    request_id: Annotated[str, StringConstraints(min_length=1, max_length=64)] | None = None
    address: Annotated[str, StringConstraints(min_length=1, max_length=60), AfterValidator(_address)] | None = None
    since: Instant | None = Field(None, description="Created at this time or later.")
    until: Instant | None = Field(None, description="Created before this time.")

    @property
    def actions(self) -> list[str]:
        return self.action.split(",") if self.action else []


class AuditEntryOut(Out):
    id: uuid.UUID
    actor: str
    action: str
    subject_type: str
    subject_id: str
    outcome: str
    address: str | None
    request_id: str
    detail: dict[str, Any]
    created_at: datetime
