"""The wire of the audit trail."""

import ipaddress
import uuid
from datetime import datetime
from typing import Annotated, Any

from pydantic import AfterValidator, BaseModel, Field, StringConstraints

from api.values import Instant
from audit.models import Action, Outcome
from orgs.schemas import Out


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


class AuditFilter(BaseModel):
    """Which entries are meant: those to which all that is given applies."""

    action: Annotated[
        str | None, AfterValidator(lambda text: text and _actions(text)), Field(min_length=1, max_length=2000)
    ] = Field(None, description="One action, or several with commas between.", examples=["agent.created,agent.deleted"])
    actor: Annotated[str, StringConstraints(min_length=1, max_length=60)] | None = Field(
        None, description="`user:<id>`, `agent:<id>`, `api-key:<id>`, `operator:<id>` or `system`."
    )
    subject_type: Annotated[str, StringConstraints(min_length=1, max_length=40)] | None = None
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
