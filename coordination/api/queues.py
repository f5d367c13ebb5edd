"""Queues over HTTP. A queue is there once something was pushed to it, or it was configured."""

from typing import Any

from django.http import HttpResponse
from ninja import Router
from ninja.responses import Status

from api import documents, waiting
from api.cursors import DEFAULT_LIMIT, Listing
from api.idempotency import find_key
from api.requests import MIB
from coordination import keys
from coordination.bodies import ValuesTooLarge
from coordination.queue_calls import MAX_BATCH_BYTES, MAX_KEPT_BYTES, Calls
from coordination.queue_messages import Settings, State
from coordination.queues import look_again_in
from coordination.repeating import find_once
from coordination.schemas.queues import (
    AckedOut,
    AckIn,
    DeadLetterOut,
    ExtendedOut,
    ExtendIn,
    NackedOut,
    NackIn,
    PeekOut,
    PopIn,
    PoppedOut,
    PurgedOut,
    PurgeIn,
    PushedOut,
    PushIn,
    QueueNameOut,
    QueueOut,
    QueueSettings,
    RedriveIn,
    RedrivenOut,
)
from coordination.shared import connection
from orgs.api.parameters import Cursor, Limit
from orgs.permissions import Scope, body_limit, requires
from orgs.principals import Request
from orgs.schemas import PageOut

router = Router(tags=["queues"])
# More than a push may have, so that one too large is told as such.
BODY_LIMIT = 5 * MIB


def _calls(request: Request) -> Calls:
    return Calls(request.principal.organization_id)


@router.post("/queues/{queue}/push", response={201: PushedOut})
@requires(Scope.QUEUES_WRITE)
@body_limit(BODY_LIMIT, ValuesTooLarge)
def push_messages(request: Request, queue: str, body: PushIn) -> Status[PushedOut]:
    """Push messages; the queue is made where there is none. Once answered they are as durable as Valkey's file is.

    A push whose answer was lost, or was a 503, may be sent again with its `Idempotency-Key`: it pushes nothing more.
    Without one it may push twice. A message that is sent again after the key is forgotten has the same id.
    """
    messages = [(documents.dumps(one.body), one.delay_seconds) for one in body.messages]
    once = find_once(request, "push", queue)
    return Status(201, PushedOut(ids=connection.run(_calls(request).push(queue, messages, once))))


@router.post("/queues/{queue}/pop", response=PoppedOut)
@requires(Scope.QUEUES_WRITE)
@waiting.waits
def pop_messages(request: Request, queue: str, body: PopIn) -> HttpResponse:
    """Take messages, the oldest first: none when nothing is ready, or the queue is not there (yet).

    They are the caller's until `visible_at`, and then the next one's, unless they are acknowledged before. So a message
    may come twice: whatever is done with it must bear that. Fewer than `count` are taken when they have 4 MiB before;
    with an `Idempotency-Key` 512 KiB, since the answer is kept.
    After a 503 the same call takes others, with its `Idempotency-Key` too: those that it took before come back then.
    """
    waiting.check_wait(body.wait_seconds)
    most_bytes = MAX_BATCH_BYTES if find_key(request) is None else MAX_KEPT_BYTES
    popped = connection.run(_calls(request).pop(queue, body.count, body.visibility_seconds, most_bytes))
    if not popped.messages:
        channel = keys.queue(request.principal.organization_id, queue)
        waiting.wait(request, channel=channel, seconds=body.wait_seconds, look_again_in=look_again_in(popped))
    items = [_shown(one, "attempts", "pushed_at", "receipt", "visible_at") for one in popped.messages]
    return _json({"items": items, "due_in_seconds": popped.due_in})


@router.post("/queues/{queue}/ack", response=AckedOut)
@requires(Scope.QUEUES_WRITE)
def ack_messages(request: Request, queue: str, body: AckIn) -> AckedOut:
    """Be done with messages. To send it again is harmless.

    Where one of them has gone to another consumer, or back to the queue, it is 409 `receipt-stale`, the detail names
    its receipt, and none is acknowledged.
    """
    results = connection.run(_calls(request).ack(queue, body.receipts))
    return AckedOut(acked=sum(results), results=results)


@router.post("/queues/{queue}/nack", response=NackedOut)
@requires(Scope.QUEUES_WRITE)
def nack_message(request: Request, queue: str, body: NackIn) -> NackedOut:
    """Give a message back, to be delivered again; after `max_attempts` deliveries it goes to the dead letters.

    To send it again is harmless: `state` is `gone` then.
    """
    return NackedOut.model_validate(connection.run(_calls(request).nack(queue, body.receipt, body.delay_seconds)))


@router.post("/queues/{queue}/extend", response=ExtendedOut)
@requires(Scope.QUEUES_WRITE)
def extend_message(request: Request, queue: str, body: ExtendIn) -> ExtendedOut:
    """Keep a message for longer, or shorter: its visibility runs from now."""
    visible_at = connection.run(_calls(request).extend(queue, body.receipt, body.visibility_seconds))
    return ExtendedOut(receipt=body.receipt, visible_at=visible_at)


@router.get("/queues/{queue}/peek", response=PeekOut)
@requires(Scope.QUEUES_READ)
def peek_messages(request: Request, queue: str, limit: Limit = 10) -> HttpResponse:
    """Return what the next pops would give, and take nothing. Fewer than `limit` come to 4 MiB before."""
    peeked = connection.run(_calls(request).peek(queue, limit))
    return _json({"items": [_shown(one, "attempts", "pushed_at") for one in peeked]})


@router.get("/queues/{queue}/dead", response=PageOut[DeadLetterOut])
@requires(Scope.QUEUES_READ)
def list_dead_messages(
    request: Request, queue: str, cursor: Cursor | None = None, limit: Limit = DEFAULT_LIMIT
) -> HttpResponse:
    """List messages that were delivered too often, the oldest first. A page ends early with one that passes 4 MiB."""
    listing = Listing("dead-messages", request.principal.organization_id, (queue,))
    after = "" if cursor is None else str(listing.decode(cursor))
    page = connection.run(_calls(request).dead(queue, after, limit))
    items = [_shown(one, "attempts", "pushed_at", "died_at", "reason", "receipt") for one in page.letters]
    return _json({"items": items, "next_cursor": listing.encode(page.letters[-1].receipt) if page.more else None})


@router.post("/queues/{queue}/redrive", response=RedrivenOut)
@requires(Scope.QUEUES_WRITE)
def redrive_messages(request: Request, queue: str, body: RedriveIn) -> RedrivenOut:
    """Push dead letters again, behind what is ready; their attempts begin anew. Send it again for what is left.

    After a 503 some may have gone back: the same call then pushes the next ones.
    """
    found = connection.run(_calls(request).redrive(queue, body.receipts, body.limit))
    return RedrivenOut.model_validate(found)


@router.post("/queues/{queue}/purge", response=PurgedOut)
@requires(Scope.QUEUES_ADMIN)
def purge_queue(request: Request, queue: str, body: PurgeIn) -> PurgedOut:
    """Drop messages for good."""
    return PurgedOut.model_validate(connection.run(_calls(request).purge(queue, body.what)))


@router.get("/queues", response=PageOut[QueueNameOut])
@requires(Scope.QUEUES_READ)
def list_queues(request: Request, cursor: Cursor | None = None, limit: Limit = DEFAULT_LIMIT) -> PageOut[QueueNameOut]:
    """List the organization's queues, in the order of their names' bytes."""
    listing = Listing("queues", request.principal.organization_id)
    after = "" if cursor is None else str(listing.decode(cursor))
    names = connection.run(_calls(request).names(after, limit + 1))
    page = names[:limit]
    return PageOut(
        items=[QueueNameOut(name=name) for name in page],
        next_cursor=listing.encode(page[-1]) if len(names) > limit else None,
    )


@router.put("/queues/{queue}", response=QueueOut)
@requires(Scope.QUEUES_ADMIN)
def configure_queue(request: Request, queue: str, body: QueueSettings) -> QueueOut:
    """Give a queue its settings, all of them; it is made where there is none. Messages that are there stay."""
    calls = _calls(request)
    connection.run(calls.configure(queue, Settings(**body.model_dump())))
    return _queue(queue, connection.run(calls.state(queue)))


@router.get("/queues/{queue}", response=QueueOut)
@requires(Scope.QUEUES_READ)
def get_queue(request: Request, queue: str) -> QueueOut:
    """Return how many messages a queue has, and its settings."""
    return _queue(queue, connection.run(_calls(request).state(queue)))


@router.delete("/queues/{queue}", response={204: None})
@requires(Scope.QUEUES_ADMIN)
def delete_queue(request: Request, queue: str) -> Status[None]:
    """Drop a queue with its messages, dead letters and settings."""
    connection.run(_calls(request).delete(queue))
    return Status(204, None)


def _queue(name: str, state: State) -> QueueOut:
    counts = {field: getattr(state, field) for field in ("ready", "delayed", "in_flight", "dead", "oldest_seconds")}
    return QueueOut.model_validate({"name": name, "settings": state.settings, **counts})


def _shown(message: Any, *fields: str) -> dict[str, Any]:
    """Return a message as it is answered; its body is written out as it was pushed."""
    body = documents.Raw(message.text)
    return {"id": message.id, "body": body, **{field: getattr(message, field) for field in fields}}


def _json(answer: dict[str, Any]) -> HttpResponse:
    return HttpResponse(documents.dumps(answer), content_type="application/json; charset=utf-8")
