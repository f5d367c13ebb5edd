"""The second fence between organizations: every tenant query runs in a transaction that names its organization.

PostgreSQL's row-level security compares rows with a setting that lives as long as the transaction, so nothing
leaks to the next user of a connection, also behind a transaction pooler. Requests run as `holdfast_app`, which
owns nothing; work across organizations (key lookup, sign-up, operators, prune) as `holdfast_system`. Outside of
both, the connection's own role sees no tenant row at all.
"""

import uuid
from collections.abc import Iterator
from contextlib import contextmanager

from django.db import connection, transaction

APP_ROLE = "holdfast_app"
SYSTEM_ROLE = "holdfast_system"
SETTING = "holdfast.organization"
ENTER = f"SELECT set_config('role', %s, true), set_config('{SETTING}', %s, true)"


class TenancyError(Exception):
    """Raised when code would mix two organizations, or an organization and the system, in one transaction."""


@contextmanager
def organization(organization_id: uuid.UUID) -> Iterator[None]:
    """Open a transaction in which only this organization's rows exist.

    Inside an open scope of the same organization this is a savepoint. Raises TenancyError inside any other
    transaction: role and setting would outlive the block there.
    """
    with _scope(APP_ROLE, str(organization_id)):
        yield


@contextmanager
def system() -> Iterator[None]:
    """Open a transaction in which the rows of every organization exist; for the few callers named above."""
    with _scope(SYSTEM_ROLE, ""):
        yield


def current_scope() -> tuple[str, str] | None:
    """Return role and organization of the open scope on this thread's connection, or None."""
    return getattr(connection, "holdfast_scope", None)


@contextmanager
def _scope(role: str, organization_id: str) -> Iterator[None]:
    open_scope = current_scope()
    if open_scope == (role, organization_id):
        with transaction.atomic():
            yield
        return
    if open_scope is not None or connection.in_atomic_block:
        raise TenancyError(f"A scope of {role} {organization_id} cannot open inside {open_scope or 'a transaction'}.")
    with transaction.atomic():
        with connection.cursor() as cursor:
            cursor.execute(ENTER, [role, organization_id])
        connection.holdfast_scope = (role, organization_id)  # type: ignore[attr-defined]
        try:
            yield
        finally:
            connection.holdfast_scope = None  # type: ignore[attr-defined]
