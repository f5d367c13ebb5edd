"""Verbs that hand a person everything that is held of them."""

import tempfile
import uuid
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext
from datetime import datetime
from threading import Lock
from typing import IO

from accounts.exporting import Export, organizations_of
from api.requests import MIB
from audit.models import Action
from audit.services import record
from orgs import tenancy
from orgs.principals import Principal, require_user

MAX_EXPORT_BYTES = 32 * MIB
_exporting = Lock()


class ExportBusy(Exception):
    """Raised when this process is making another export."""


@contextmanager
def one_at_a_time() -> Iterator[None]:
    """Make an export that is answered: each holds much memory and a thread for long. Raises ExportBusy, never waits."""
    if not _exporting.acquire(blocking=False):
        raise ExportBusy("Another export is being made; try again in some seconds.")
    try:
        yield
    finally:
        _exporting.release()


def export_myself(principal: Principal, *, now: datetime) -> bytes:
    """Return the archive of the caller, with what they have in the key's organization and in no other.

    The key was given for one organization: whoever finds it must not read the others through it.
    Raises UserRequired, ExportTooLarge, ExportBusy.
    """
    user_id, organization_id = require_user(principal), principal.organization_id
    export = Export(user_id, within, MAX_EXPORT_BYTES)
    with one_at_a_time(), tempfile.TemporaryFile() as file:
        export.write(file, [organization_id], now=now)
        with tenancy.organization(organization_id):
            note_export(export, actor=principal.actor, organization_id=organization_id)
        file.seek(0)
        return file.read()


def export_person(
    user_id: uuid.UUID,
    target: IO[bytes],
    *,
    actor: str,
    now: datetime,
    limit: int | None = None,
    progress: Callable[[str, int], None] | None = None,
) -> None:
    """Write the archive of a user with all their organizations, for an operator. Raises ExportTooLarge."""
    # The console has opened the system scope, and no other can open inside; there it stays open to the end.
    scope = nullscope if tenancy.current_scope() else within
    export = Export(user_id, scope, limit, progress)
    export.write(target, organizations_of(user_id, scope), now=now)
    with tenancy.system():
        note_export(export, actor=actor, organization_id=None)


def within(organization_id: uuid.UUID | None) -> AbstractContextManager[None]:
    """Open the scope of an organization's rows, where the policies keep all others out, or of what is in none."""
    return tenancy.system() if organization_id is None else tenancy.organization(organization_id)


def nullscope(organization_id: uuid.UUID | None) -> AbstractContextManager[None]:
    return nullcontext()


def note_export(export: Export, *, actor: str, organization_id: uuid.UUID | None) -> None:
    record(
        Action.USER_EXPORTED,
        organization_id=organization_id,
        actor=actor,
        subject_type="user",
        subject_id=export.user_id,
        files=len(export.files),
        bytes=export.size,
    )
