"""Recording what happened, in the transaction of the change itself."""

import uuid
from typing import Any

from audit.models import Action, Entry, Outcome, SubjectType
from audit.origin import current_origin


def record(
    action: Action,
    *,
    organization_id: uuid.UUID | None,
    actor: str,
    subject_type: SubjectType,
    subject_id: object = "",
    outcome: Outcome = Outcome.SUCCESS,
    **detail: Any,
) -> None:
    """Write one entry; request id and address come from the call being served.

    `detail` holds small facts and never a secret value. The caller's transaction decides whether it stays:
    a change that rolls back leaves no entry, and a refusal is recorded outside the refused transaction.
    """
    origin = current_origin()
    Entry.objects.create(
        organization_id=organization_id,
        actor=actor,
        action=action,
        subject_type=subject_type,
        subject_id=str(subject_id)[:64],
        outcome=outcome,
        address=origin.address,
        request_id=origin.request_id,
        detail=detail,
    )


def record_of_user(
    action: Action, user_id: uuid.UUID, *, actor: str, outcome: Outcome = Outcome.SUCCESS, **detail: Any
) -> None:
    """Write an entry about a user as such, of the installation: it belongs to no organization."""
    record(
        action, organization_id=None, actor=actor, subject_type="user", subject_id=user_id, outcome=outcome, **detail
    )
