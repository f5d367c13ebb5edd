import uuid
from typing import Any

from api import documents
from api.etags import PreconditionFailed
from api.merging import merge
from api.requests import MIB
from audit.models import Action
from audit.services import record
from coordination.fencing import fenced
from events.services import publish
from orgs import tenancy
from orgs.changes import Change
from orgs.models import Agent
from orgs.principals import Principal
from orgs.services.api_keys import UnknownReference
from sessions_store import hot_paths
from sessions_store.models import Session

MAX_STATE_BYTES = 16 * MIB


class StateTooLarge(Exception):
    """Raised when a state, also one that patches have grown, would pass 16 MiB."""


def create(
    principal: Principal, *, title: str, state: dict[str, Any], metadata: dict[str, Any], agent_id: uuid.UUID | None
) -> Session:
    """Create a session; raises UnknownReference for an agent that the organization does not have."""
    text = state_text(state)
    with tenancy.organization(principal.organization_id):
        if agent_id is not None:
            _hold_agent(agent_id)
        session = Session.objects.create(
            organization_id=principal.organization_id,
            owner_id=principal.actor_id,
            agent_id=agent_id,
            title=title,
            state=documents.Raw(text),
            metadata=metadata,
        )
        publish(_change(session, principal, "session.created"))
    return session


def replace_state(
    principal: Principal,
    session_id: uuid.UUID,
    state: dict[str, Any],
    *,
    expected: list[int] | None,
    fencing_number: int | None = None,
) -> hot_paths.Replaced:
    """Replace the state; raises FencingNumberStale, StateTooLarge."""
    text = state_text(state)
    with fenced(principal.organization_id, Session, session_id, fencing_number):
        return hot_paths.replace_state(principal, session_id, text, expected=expected)


def merge_state(
    principal: Principal,
    session_id: uuid.UUID,
    patch: dict[str, Any],
    *,
    expected: list[int] | None,
    fencing_number: int | None = None,
) -> hot_paths.Replaced:
    """Merge-patch the state; concurrent patches are applied one after the other, none is lost.

    The row stays locked while the document is read and merged: without the lock two patches of one generation
    would each write what they know. Raises FencingNumberStale, StateTooLarge.
    """
    with (
        tenancy.organization(principal.organization_id),
        fenced(principal.organization_id, Session, session_id, fencing_number),
    ):
        session = Session.objects.select_for_update().get(id=session_id)
        _expect(session, expected)
        text = state_text(merge(documents.read(session.state.encoded_json), patch))
        documents.refuse_too_many(text)
        return hot_paths.replace_state(principal, session_id, text, expected=None)


def delete(
    principal: Principal, session_id: uuid.UUID, *, expected: list[int] | None, fencing_number: int | None = None
) -> None:
    """Delete a session; its events stay, ending in session.deleted. Raises FencingNumberStale."""
    with (
        tenancy.organization(principal.organization_id),
        fenced(principal.organization_id, Session, session_id, fencing_number),
    ):
        session = Session.objects.select_for_update().without_state().get(id=session_id)
        _expect(session, expected)
        session.generation += 1
        publish(_change(session, principal, "session.deleted"))
        record(
            Action.SESSION_DELETED,
            organization_id=principal.organization_id,
            actor=principal.actor,
            subject_type="session",
            subject_id=session.id,
        )
        session.delete()


def state_text(state: dict[str, Any]) -> str:
    """Return the state as the text that is stored; raises StateTooLarge."""
    text = documents.dumps(state)
    if len(text.encode()) > MAX_STATE_BYTES:
        raise StateTooLarge(f"A state takes at most {MAX_STATE_BYTES} bytes.")
    return text


def _hold_agent(agent_id: uuid.UUID) -> None:
    """Lock the agent against its deletion, which would else be met only at the commit, as a broken foreign key."""
    if not Agent.objects.select_for_update(no_key=True).filter(id=agent_id).values("id"):
        raise UnknownReference("The organization has no such agent.")


def _expect(session: Session, expected: list[int] | None) -> None:
    if expected is not None and session.generation not in expected:
        raise PreconditionFailed(f"The current generation is {session.generation}.")


def _change(session: Session, principal: Principal, event_type: str) -> Change:
    return Change(
        session.organization_id,
        "session",
        session.id,
        session.generation,
        event_type,
        session.owner_id,
        principal.actor,
    )
