"""Taking a deleted agent out of what names it: one statement, and an event for each row that changes."""

from typing import Any

from django.db import connection

from audit.origin import current_origin
from orgs.models import Agent, TenantModel

RELEASE = """
WITH released AS (
    UPDATE {table} SET agent_id = NULL, generation = generation + 1
    WHERE organization_id = %(organization)s AND agent_id = %(agent)s
    RETURNING id, generation, owner_id
)
INSERT INTO events_event (organization_id, subject_type, subject_id, generation, type, owner_id, actor, request_id,
                          facts)
SELECT %(organization)s, %(subject)s, r.id, r.generation, %(type)s, r.owner_id, %(actor)s, %(request)s,
       jsonb_build_object('agent_id', %(agent)s)
FROM released r
"""


def release_agent(model: type[TenantModel], subject_type: str, agent: Agent, actor: str) -> None:
    """Leave the rows of a model that name an agent to nobody, each with one more generation; inside the open scope."""
    parameters: dict[str, Any] = {
        "organization": agent.organization_id,
        "agent": agent.id,
        "subject": subject_type,
        "type": f"{subject_type}.released",
        "actor": actor,
        "request": current_origin().request_id,
    }
    with connection.cursor() as cursor:
        cursor.execute(RELEASE.format(table=model._meta.db_table), parameters)
