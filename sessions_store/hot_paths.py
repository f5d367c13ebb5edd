"""The SQL functions of sessions, as Python calls them (sessions_store/sql/)."""

import uuid
from datetime import datetime
from typing import NamedTuple

from api.etags import PreconditionFailed
from api.responses import Document
from audit.origin import current_origin
from orgs import functions
from orgs.principals import Principal
from sessions_store.models import Session

ERRORS: dict[str, type[Exception]] = {"HFS04": Session.DoesNotExist, "HF412": PreconditionFailed}


class Replaced(NamedTuple):
    generation: int
    updated_at: datetime


def get(organization_id: uuid.UUID, session_id: uuid.UUID) -> Document:
    """Return the session; raises Session.DoesNotExist."""
    row = functions.find("SELECT generation, document FROM sessions_get(%s, %s)", [organization_id, session_id])
    if row is None:
        raise Session.DoesNotExist("There is no such session.")
    return Document(*row)


def replace_state(principal: Principal, session_id: uuid.UUID, state: str, *, expected: list[int] | None) -> Replaced:
    """Replace the state by the JSON text `state`; raises Session.DoesNotExist, PreconditionFailed."""
    row = functions.call(
        "SELECT new_generation, changed_at FROM sessions_replace_state(%s, %s, %s::bigint[], %s::json, %s, %s)",
        [principal.organization_id, session_id, expected, state, principal.actor, current_origin().request_id],
    )
    return Replaced(*row)
