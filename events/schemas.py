import uuid
from datetime import datetime
from typing import Any

from orgs.schemas import Out


class EventOut(Out):
    subject_type: str
    subject_id: uuid.UUID
    generation: int
    type: str
    owner_id: uuid.UUID
    actor: str
    request_id: str
    facts: dict[str, Any]
    created_at: datetime
