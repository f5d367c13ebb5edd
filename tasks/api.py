import uuid
from typing import Annotated

from django.db.models import QuerySet
from django.http import HttpResponse
from ninja import Path, Router
from pydantic import Field

from api import documents, etags
from api.cursors import DEFAULT_LIMIT, Listing, M, Page, paginate
from api.headers import reads
from api.identifiers import new_id
from api.responses import document_response
from api.values import IN_DIGITS, SubjectId
from coordination.fencing import FENCING_NUMBER, find_number
from events.listings import page_of_subject
from events.models import Event
from events.schemas import EventOut
from orgs import tenancy
from orgs.api.parameters import Cursor, Limit
from orgs.permissions import Scope, requires
from orgs.principals import Request
from orgs.schemas import PageOut
from orgs.subjects import expected_generations, get_subject
from tasks import hot_paths
from tasks.leases import LEASE_TOKEN, find_token, get_token
from tasks.models import Artifact, ArtifactChunk, Context, Message, State, Task
from tasks.schemas import (
    AppendedOut,
    ArtifactChunkOut,
    ArtifactIn,
    ArtifactOut,
    ClaimIn,
    ClaimOut,
    ContextOut,
    Identifier,
    LeaseIn,
    LeaseOut,
    MessageIn,
    MessageOut,
    StateIn,
    TaskIn,
    TaskOut,
    TaskSummaryOut,
)

router = Router(tags=["tasks"])
HistoryLength = Annotated[int, Field(ge=0, le=1000), IN_DIGITS]


@router.post("/tasks/{id:task_id}/messages", response={201: AppendedOut})
@requires(Scope.TASKS_WRITE)
@reads(etags.IF_MATCH, LEASE_TOKEN, FENCING_NUMBER)
def append_message(request: Request, task_id: uuid.UUID, body: MessageIn) -> HttpResponse:
    """Append a message. A user's message to a task that waits for it puts the task back to submitted."""
    appended = hot_paths.append_message(
        request.principal,
        task_id,
        message_id=body.message_id or new_id().hex,
        role=body.role,
        parts=body.parts,
        metadata=body.metadata,
        lease=find_token(request),
        expected=expected_generations(request, Task, task_id),
        fencing_number=find_number(request),
    )
    return document_response(appended, status=201)


@router.get("/tasks/{id:task_id}", response=TaskOut)
@requires(Scope.TASKS_READ)
def get_task(request: Request, task_id: uuid.UUID, history_length: HistoryLength = 100) -> HttpResponse:
    """Return a task with its last `history_length` messages: of these the newest that fit into 8 MiB, at least one.

    `If-None-Match` with the known ETag answers 304. `GET /tasks/{id}/messages` has them all.
    """
    found = hot_paths.get(request.principal.organization_id, task_id, history=history_length)
    return document_response(found)


@router.post("/tasks", response={201: TaskOut})
@requires(Scope.TASKS_WRITE)
def submit_task(request: Request, body: TaskIn) -> HttpResponse:
    """Submit a message as a new task, in a new context unless one is named."""
    task_id = new_id()
    made = hot_paths.submit(
        request.principal,
        task_id=task_id,
        context_id=body.context_id,
        agent_id=body.agent_id,
        metadata=body.metadata,
        message_id=body.message.message_id or new_id().hex,
        parts=body.message.parts,
        message_metadata=body.message.metadata,
    )
    return document_response(made, status=201, location=f"/api/v1/tasks/{task_id}")


@router.get("/tasks", response=PageOut[TaskSummaryOut])
@requires(Scope.TASKS_READ)
def list_tasks(
    request: Request,
    context_id: SubjectId | None = None,
    agent_id: SubjectId | None = None,
    state: State | None = None,
    cursor: Cursor | None = None,
    limit: Limit = DEFAULT_LIMIT,
) -> Page[Task]:
    """List the organization's tasks without messages, newest first."""
    organization_id = request.principal.organization_id
    given = {"context_id": context_id, "agent_id": agent_id, "state": state}
    filters = {name: value for name, value in given.items() if value is not None}
    with tenancy.organization(organization_id):
        tasks = Task.objects.filter(organization_id=organization_id, **filters)
        listing = Listing("tasks", organization_id, tuple(given.values()))
        return paginate(tasks, listing, cursor=cursor, limit=limit)


@router.post("/tasks/claim", response=ClaimOut)
@requires(Scope.TASKS_WRITE)
def claim_tasks(request: Request, body: ClaimIn) -> HttpResponse:
    """Lease tasks to work on; none is leased twice at a time. An empty list means nothing to do.

    What waits the longest comes first: since it was submitted, or since its lease ran out. Fewer than `count` are
    leased when their documents come to 8 MiB before.
    """
    claimed = hot_paths.claim(
        request.principal,
        agent_id=body.agent_id,
        count=body.count,
        seconds=body.lease_seconds,
        history=body.history_length,
    )
    items = [
        {"lease_token": one.token, "lease_expires_at": one.expires_at, "task": documents.Raw(one.text)}
        for one in claimed
    ]
    return HttpResponse(documents.dumps({"items": items}), content_type="application/json; charset=utf-8")


@router.put("/tasks/{id:task_id}/lease", response=LeaseOut)
@requires(Scope.TASKS_WRITE)
@reads(LEASE_TOKEN)
def extend_lease(request: Request, task_id: uuid.UUID, body: LeaseIn) -> LeaseOut:
    """Send a heartbeat: the lease runs on from now."""
    token = get_token(request)
    expires_at = hot_paths.extend_lease(request.principal, task_id, lease=token, seconds=body.lease_seconds)
    return LeaseOut(task_id=task_id, lease_token=token, lease_expires_at=expires_at)


@router.put("/tasks/{id:task_id}/state", response=TaskSummaryOut)
@requires(Scope.TASKS_WRITE)
@reads(etags.IF_MATCH, LEASE_TOKEN, FENCING_NUMBER)
def change_state(request: Request, task_id: uuid.UUID, body: StateIn) -> HttpResponse:
    """Change the state along A2A's transitions; terminal means terminal. The answer has no messages and artifacts.

    `working` without a lease holds nothing: the next claim may take the task, as one whose lease has run out.
    """
    changed = hot_paths.change_state(
        request.principal,
        task_id,
        body.state,
        expected=expected_generations(request, Task, task_id),
        lease=find_token(request),
        fencing_number=find_number(request),
    )
    return document_response(changed)


@router.post("/tasks/{id:task_id}/artifacts", response={201: ArtifactOut})
@requires(Scope.TASKS_WRITE)
@reads(etags.IF_MATCH, LEASE_TOKEN, FENCING_NUMBER)
def append_artifact(request: Request, task_id: uuid.UUID, body: ArtifactIn) -> HttpResponse:
    """Make an artifact with its first chunk, or with `append` add a chunk to it.

    `If-Match` is about the task, as with all that is written below it, and the answer's ETag is the task's.
    """
    artifact_id = body.artifact_id or new_id().hex
    made = hot_paths.append_artifact(
        request.principal,
        task_id,
        artifact_id=artifact_id,
        name=body.name,
        description=body.description,
        metadata=body.metadata,
        parts=body.parts,
        append=body.append,
        last_chunk=body.last_chunk,
        lease=find_token(request),
        expected=expected_generations(request, Task, task_id),
        fencing_number=find_number(request),
    )
    location = f"/api/v1/tasks/{task_id}/artifacts/{artifact_id}"
    return document_response(made, status=201, location=location)


@router.get("/tasks/{id:task_id}/messages", response=PageOut[MessageOut])
@requires(Scope.TASKS_READ)
def list_messages(
    request: Request, task_id: uuid.UUID, cursor: Cursor | None = None, limit: Limit = DEFAULT_LIMIT
) -> Page[Message]:
    """List a task's messages, oldest first. A page ends early with the message that passes 8 MiB."""
    organization_id = request.principal.organization_id
    with tenancy.organization(organization_id):
        task = Task.objects.only("id").get(id=task_id)
        listing = Listing("messages", organization_id, (task_id,))
        return _page_of_parts(task.messages.all(), listing, cursor, limit)


@router.get("/tasks/{id:task_id}/artifacts", response=PageOut[ArtifactOut])
@requires(Scope.TASKS_READ)
def list_artifacts(
    request: Request, task_id: uuid.UUID, cursor: Cursor | None = None, limit: Limit = DEFAULT_LIMIT
) -> Page[Artifact]:
    """List a task's artifacts without their parts, in the order they were begun."""
    organization_id = request.principal.organization_id
    with tenancy.organization(organization_id):
        task = Task.objects.only("id").get(id=task_id)
        listing = Listing("artifacts", organization_id, (task_id,))
        return paginate(task.artifacts.all(), listing, cursor=cursor, limit=limit, by="number", newest_first=False)


@router.get("/tasks/{id:task_id}/artifacts/{artifact_id}", response=ArtifactOut)
@requires(Scope.TASKS_READ)
def get_artifact(
    request: Request, task_id: uuid.UUID, artifact_id: Annotated[Identifier, Path()], response: HttpResponse
) -> Artifact:
    """Return one artifact without its parts. Its ETag is for `If-None-Match`; a write's `If-Match` is the task's."""
    with tenancy.organization(request.principal.organization_id):
        found = Artifact.objects.get(task_id=task_id, artifact_id=artifact_id)
    # No number: as an If-Match it would be compared with the task's generation.
    response["ETag"] = f'"chunks-{found.chunk_count}"'
    return found


@router.get("/tasks/{id:task_id}/artifacts/{artifact_id}/chunks", response=PageOut[ArtifactChunkOut])
@requires(Scope.TASKS_READ)
def list_chunks(
    request: Request,
    task_id: uuid.UUID,
    artifact_id: Annotated[Identifier, Path()],
    cursor: Cursor | None = None,
    limit: Limit = DEFAULT_LIMIT,
) -> Page[ArtifactChunk]:
    """List an artifact's chunks with their parts, in order. A page ends early with the chunk that passes 8 MiB."""
    organization_id = request.principal.organization_id
    with tenancy.organization(organization_id):
        Artifact.objects.only("name").get(task_id=task_id, artifact_id=artifact_id)
        chunks = ArtifactChunk.objects.filter(task_id=task_id, artifact_id=artifact_id)
        listing = Listing("chunks", organization_id, (task_id, artifact_id))
        return _page_of_parts(chunks, listing, cursor, limit)


@router.get("/tasks/{id:task_id}/events", response=PageOut[EventOut])
@requires(Scope.TASKS_READ)
def list_task_events(
    request: Request, task_id: uuid.UUID, cursor: Cursor | None = None, limit: Limit = DEFAULT_LIMIT
) -> Page[Event]:
    """List what happened to the task, oldest first, one event per generation."""
    organization_id = request.principal.organization_id
    with tenancy.organization(organization_id):
        Task.objects.only("id").get(id=task_id)
        return page_of_subject(organization_id, task_id, cursor=cursor, limit=limit)


@router.get("/contexts", response=PageOut[ContextOut], tags=["contexts"])
@requires(Scope.TASKS_READ)
def list_contexts(request: Request, cursor: Cursor | None = None, limit: Limit = DEFAULT_LIMIT) -> Page[Context]:
    """List the organization's contexts, newest first; `GET /tasks?context_id=` has the tasks of one."""
    organization_id = request.principal.organization_id
    with tenancy.organization(organization_id):
        contexts = Context.objects.filter(organization_id=organization_id)
        return paginate(contexts, Listing("contexts", organization_id), cursor=cursor, limit=limit)


@router.get("/contexts/{id:context_id}", response=ContextOut, tags=["contexts"])
@requires(Scope.TASKS_READ)
def get_context(request: Request, context_id: uuid.UUID, response: HttpResponse) -> Context:
    """Return one context."""
    return get_subject(request, response, Context.objects.filter(id=context_id))


def _page_of_parts(rows: QuerySet[M], listing: Listing, cursor: str | None, limit: int) -> Page[M]:
    """Return one page of numbered rows, oldest first, that ends with the row that passes 8 MiB."""
    return paginate(
        rows, listing, cursor=cursor, limit=limit, by="number", newest_first=False, bytes_before="bytes_before"
    )
