"""Linking users to what identity providers call them, told in the audit trail and to whoever believes a link."""

import uuid
from collections.abc import Callable

from django.db import transaction

from accounts.models import LinkedIdentity
from audit.models import Action
from audit.services import record

# Called with the user's id once a link has come or gone; for the apps above, which register themselves.
_listeners: list[Callable[[uuid.UUID], None]] = []


def on_relinked(listener: Callable[[uuid.UUID], None]) -> None:
    _listeners.append(listener)


def note_linked(identity: LinkedIdentity, *, actor: str) -> None:
    _note(Action.IDENTITY_LINKED, identity, actor)


def note_unlinked(identity: LinkedIdentity, *, actor: str) -> None:
    _note(Action.IDENTITY_UNLINKED, identity, actor)


def _note(action: Action, identity: LinkedIdentity, actor: str) -> None:
    """Write the entry in the transaction of the change, and tell of it once that has committed."""
    record(
        action,
        organization_id=None,
        actor=actor,
        subject_type="user",
        subject_id=identity.user_id,
        issuer=identity.issuer,
        subject=identity.subject,
    )
    transaction.on_commit(lambda: _tell(identity.user_id))


def _tell(user_id: uuid.UUID) -> None:
    for listener in _listeners:
        listener(user_id)
