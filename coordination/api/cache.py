"""The cache over HTTP. Values are passed on as JSON text, so each comes back as it was sent.

When Valkey is gone a read is a miss and a write says that nothing was stored; only a deletion is refused (503), since
nobody should believe what then may still be found.
"""

from typing import Any

from django.http import HttpResponse
from ninja import Router
from ninja.responses import Status

from api import documents, waiting
from api.idempotency import only_reads
from api.requests import MIB
from coordination import entries, names, shared
from coordination.bells import LOOK_AGAIN_SECONDS
from coordination.bodies import ValuesTooLarge
from coordination.calls import Call, T
from coordination.connections import Unavailable
from coordination.entries import Entry
from coordination.repeating import find_mark
from coordination.schemas.cache import (
    CachedIn,
    CachedManyIn,
    CachedManyOut,
    CachedOut,
    ComputeIn,
    GiveUpIn,
    NamesIn,
    StoredOut,
    TurnOut,
)
from orgs.permissions import Scope, body_limit, requires
from orgs.principals import Request

router = Router(tags=["cache"])
# More than a value may have, so that a value too large is told as such.
BODY_LIMIT = 8 * MIB


class NotCached(Exception):
    """Raised for a name under which nothing is stored."""


class CacheUnavailable(Exception):
    """Raised where Valkey is gone and nothing can be found."""


@router.get("/cache/{resource}/{name}", response=CachedOut)
@requires(Scope.CACHE_READ)
def get_cached(request: Request, resource: str, name: str) -> HttpResponse:
    """Return what is stored under a name; a miss is 404 `not-found`, without Valkey `cache-unavailable`."""
    found = _try(entries.get(request.principal.organization_id, resource, [name]))
    if found is None:
        raise CacheUnavailable("Valkey cannot be reached just now.")
    if name not in found.entries:
        raise NotCached("Nothing is stored under this name.")
    return _answer(_shown(found.entries[name]))


@router.put("/cache/{resource}/{name}", response=StoredOut)
@requires(Scope.CACHE_WRITE)
@body_limit(BODY_LIMIT, ValuesTooLarge)
def set_cached(request: Request, resource: str, name: str, body: CachedIn) -> StoredOut:
    """Store a value. With the token of a lease that is over, or when Valkey is gone, it is not stored."""
    life = entries.life(body.ttl_seconds, body.stale_seconds)
    texts = {name: _text(body.value)}
    return _stored(entries.put(request.principal.organization_id, resource, texts, life, token=body.token or ""))


@router.delete("/cache/{resource}/{name}", response={204: None})
@requires(Scope.CACHE_WRITE)
def delete_cached(request: Request, resource: str, name: str) -> Status[None]:
    """Forget what is stored, if anything is, and have nothing stored that is being computed now."""
    shared.connection.run(entries.delete(request.principal.organization_id, resource, [name]))
    return Status(204, None)


@router.post("/cache/{resource}:get", response=CachedManyOut)
@requires(Scope.CACHE_READ)
@only_reads
def get_many_cached(request: Request, resource: str, body: NamesIn) -> HttpResponse:
    """Return what is stored under at most 100 names, by name; those under which nothing is are not among them.

    An `Idempotency-Key` is not looked at: nothing is changed, and each call tells what is there now.
    """
    found = _try(entries.get(request.principal.organization_id, resource, body.names))
    shown = {name: _shown(entry) for name, entry in found.entries.items()} if found else {}
    return _answer({"entries": shown, "left_out": found.left_out if found else [], "available": found is not None})


@router.post("/cache/{resource}:set", response=StoredOut)
@requires(Scope.CACHE_WRITE)
@body_limit(BODY_LIMIT, ValuesTooLarge)
def set_many_cached(request: Request, resource: str, body: CachedManyIn) -> StoredOut:
    """Store at most 100 values by name, all at once."""
    entries.check_batch(body.values)
    life = entries.life(body.ttl_seconds, body.stale_seconds)
    texts = {name: _text(value) for name, value in body.values.items()}
    return _stored(entries.put(request.principal.organization_id, resource, texts, life))


@router.post("/cache/{resource}:delete", response={204: None})
@requires(Scope.CACHE_WRITE)
def delete_many_cached(request: Request, resource: str, body: NamesIn) -> Status[None]:
    """Forget what is stored under at most 100 names."""
    shared.connection.run(entries.delete(request.principal.organization_id, resource, body.names))
    return Status(204, None)


@router.post("/cache/{resource}/{name}/compute", response=TurnOut)
@requires(Scope.CACHE_WRITE)
@waiting.waits
def take_turn_cached(request: Request, resource: str, name: str, body: ComputeIn) -> HttpResponse:
    """Return what is stored, or let the caller compute it: exactly one at a time, who gets a token.

    They store the value with it, or give up; after `compute_seconds` the lease is over and another's turn.
    Where another computes, and there is no stale value, the call waits for `wait_seconds`.

    With the `Idempotency-Key` of a call whose answer was lost, or was a 503, the turn that it took is the caller's.
    """
    seconds = waiting.check_wait(body.wait_seconds)
    token = find_mark(request, "compute", resource, name) or entries.new_token()
    call = entries.turn(
        request.principal.organization_id, resource, name, token=token, compute_seconds=body.compute_seconds
    )
    found = _try(call)
    if found is not None and found.waits:
        due = min(found.ends_in_seconds, LOOK_AGAIN_SECONDS)
        waiting.wait(request, channel=call.keys[0], seconds=seconds, look_again_in=due)
    return _answer(_turn(found, token))


@router.post("/cache/{resource}/{name}/compute/release", response={204: None})
@requires(Scope.CACHE_WRITE)
def give_up_cached(request: Request, resource: str, name: str, body: GiveUpIn) -> Status[None]:
    """Let a lease go without a value: another computes at once. One that is over is left alone."""
    _try(entries.release(request.principal.organization_id, resource, name, token=body.token))
    return Status(204, None)


def _try(call: Call[T]) -> T | None:
    """Run a call; None when Valkey is gone."""
    try:
        return shared.connection.run(call)
    except Unavailable:
        return None


def _stored(call: Call[bool]) -> StoredOut:
    stored = _try(call)
    return StoredOut(stored=bool(stored), available=stored is not None)


def _text(value: Any) -> bytes:
    return names.check_size(documents.dumps(value).encode())


def _shown(entry: Entry) -> dict[str, Any]:
    left = entry.expires_in_seconds
    return {"value": documents.Raw(entry.text.decode()), "fresh": entry.fresh, "expires_in_seconds": left}


def _turn(found: entries.Turn | None, token: str) -> dict[str, Any]:
    """Return the wire's form of a turn. Without Valkey it is the caller's, who cannot store what they compute."""
    turn = found or entries.Turn(None, granted=True, ends_in_seconds=0)
    shown: dict[str, Any] = {"value": None, "expires_in_seconds": None, "ends_in_seconds": None, "token": None}
    if turn.entry is not None:
        shown |= _shown(turn.entry)
        status = "hit" if shown.pop("fresh") else "stale"
    elif turn.granted:
        status, shown["token"] = "compute", token if found else None
    else:
        status, shown["ends_in_seconds"] = "pending", turn.ends_in_seconds
    return {"status": status, **shown, "available": found is not None}


def _answer(shown: dict[str, Any]) -> HttpResponse:
    return HttpResponse(documents.dumps(shown), content_type="application/json; charset=utf-8")
