"""The audit trail on the wire."""

import uuid
from datetime import datetime
from typing import Any

from orgs.schemas import Out


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
