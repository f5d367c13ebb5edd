import uuid
from typing import Any

from django.http import HttpResponse
from ninja import Body, Router
from ninja.responses import Status

from api import etags
from api.cursors import DEFAULT_LIMIT, Listing, Page, paginate
from api.headers import reads
from api.requests import MIB
from api.responses import document_response
from coordination.fencing import FENCING_NUMBER, find_number
from events.listings import page_of_subject
from events.models import Event
from events.schemas import EventOut
from orgs import tenancy
from orgs.api.parameters import Cursor, Limit
from orgs.permissions import Scope, body_limit, requires
from orgs.principals import Request
from orgs.schemas import PageOut
from orgs.subjects import expected_generations
from sessions_store import hot_paths, services
from sessions_store.models import Session
from sessions_store.schemas import SessionIn, SessionOut, SessionSummaryOut, StateChangedOut

router = Router(tags=["sessions"])


@router.post("/sessions", response={201: SessionOut})
@requires(Scope.SESSIONS_WRITE)
@body_limit(services.MAX_STATE_BYTES + MIB)
def create_session(request: Request, body: SessionIn) -> HttpResponse:
    """Create a session, with a first state when one is given."""
    principal = request.principal
    session = services.create(
        principal, title=body.title, state=body.state, metadata=body.metadata, agent_id=body.agent_id
    )
    found = hot_paths.get(principal.organization_id, session.id)
    return document_response(found, status=201, location=f"/api/v1/sessions/{session.id}")


@router.get("/sessions", response=PageOut[SessionSummaryOut])
@requires(Scope.SESSIONS_READ)
def list_sessions(request: Request, cursor: Cursor | None = None, limit: Limit = DEFAULT_LIMIT) -> Page[Session]:
    """List the organization's sessions without their states, newest first."""
    organization_id = request.principal.organization_id
    with tenancy.organization(organization_id):
        sessions = Session.objects.filter(organization_id=organization_id).without_state()
        return paginate(sessions, Listing("sessions", organization_id), cursor=cursor, limit=limit)


@router.get("/sessions/{id:session_id}", response=SessionOut)
@requires(Scope.SESSIONS_READ)
def get_session(request: Request, session_id: uuid.UUID) -> HttpResponse:
    """Return a session with its state. `If-None-Match` with the known ETag answers 304."""
    found = hot_paths.get(request.principal.organization_id, session_id)
    return document_response(found)


@router.put("/sessions/{id:session_id}/state", response=StateChangedOut)
@requires(Scope.SESSIONS_WRITE)
@body_limit(services.MAX_STATE_BYTES)
@reads(etags.IF_MATCH, FENCING_NUMBER)
def replace_state(
    request: Request, session_id: uuid.UUID, state: Body[dict[str, Any]], response: HttpResponse
) -> StateChangedOut:
    """Replace the state; the body is the new state, a JSON object. Send If-Match to overwrite only what you read."""
    expected = expected_generations(request, Session, session_id)
    changed = services.replace_state(
        request.principal, session_id, state, expected=expected, fencing_number=find_number(request)
    )
    response["ETag"] = etags.etag(changed.generation)
    return StateChangedOut(id=session_id, **changed._asdict())


@router.patch("/sessions/{id:session_id}/state", response=StateChangedOut)
@requires(Scope.SESSIONS_WRITE)
@body_limit(services.MAX_STATE_BYTES)
@reads(etags.IF_MATCH, FENCING_NUMBER)
def merge_state(
    request: Request, session_id: uuid.UUID, patch: Body[dict[str, Any]], response: HttpResponse
) -> StateChangedOut:
    """Merge-patch the state (RFC 7396): null removes a name, objects merge, all else replaces."""
    expected = expected_generations(request, Session, session_id)
    changed = services.merge_state(
        request.principal, session_id, patch, expected=expected, fencing_number=find_number(request)
    )
    response["ETag"] = etags.etag(changed.generation)
    return StateChangedOut(id=session_id, **changed._asdict())


@router.delete("/sessions/{id:session_id}", response={204: None})
@requires(Scope.SESSIONS_WRITE)
@reads(etags.IF_MATCH, FENCING_NUMBER)
def delete_session(request: Request, session_id: uuid.UUID) -> Status[None]:
    """Delete a session and its state."""
    expected = expected_generations(request, Session, session_id)
    services.delete(request.principal, session_id, expected=expected, fencing_number=find_number(request))
    return Status(204, None)


@router.get("/sessions/{id:session_id}/events", response=PageOut[EventOut])
@requires(Scope.SESSIONS_READ)
def list_session_events(
    request: Request, session_id: uuid.UUID, cursor: Cursor | None = None, limit: Limit = DEFAULT_LIMIT
) -> Page[Event]:
    """List what happened to the session, oldest first, one event per generation; also after its deletion."""
    organization_id = request.principal.organization_id
    with tenancy.organization(organization_id):
        # Every session has events, and they outlive it.
        Event.objects.of_subject(organization_id, session_id).filter(subject_type="session").earliest("generation")
        return page_of_subject(organization_id, session_id, cursor=cursor, limit=limit)
