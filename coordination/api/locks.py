from ninja import Router
from ninja.responses import Status

from api import waiting
from coordination import keys, services
from coordination.bells import LOOK_AGAIN_SECONDS
from coordination.epochs import next_epoch
from coordination.lock_calls import Lock, LockHeld
from coordination.locks import Locks
from coordination.repeating import find_mark
from coordination.schemas.locks import (
    LockAcquireIn,
    LockExtendIn,
    LockHoldingOut,
    LockOut,
    LockReleaseIn,
)
from coordination.shared import connection
from orgs.permissions import Scope, requires
from orgs.principals import Request

router = Router(tags=["locks"])


@router.post("/locks/{resource}/{name}/acquire", response=LockOut)
@requires(Scope.LOCKS_WRITE)
@waiting.waits
def acquire_lock(request: Request, resource: str, name: str, body: LockAcquireIn) -> LockOut:
    """Acquire a lock that ends by itself, waiting for it where another holds it.

    Send `fencing_number` with each write that the lock protects: one that comes too late is then refused. With the
    token of an earlier call it answers the lock that that call acquired, which runs `ttl_seconds` from now. So it does
    with the `Idempotency-Key` of a call whose answer was lost, or was a 503, and that had no token.
    """
    waiting.check_wait(body.wait_seconds)
    token = find_mark(request, "lock", resource, name) if body.token is None else body.token
    try:
        return _out(_locks(request).acquire(resource, name, body.ttl_seconds, token=token))
    except LockHeld as held:
        channel = keys.lock(request.principal.organization_id, resource, name)
        due = min(held.seconds, LOOK_AGAIN_SECONDS)
        waiting.wait(request, channel=channel, seconds=body.wait_seconds, look_again_in=due)
        raise


@router.post("/locks/{resource}/{name}/extend", response=LockOut)
@requires(Scope.LOCKS_WRITE)
def extend_lock(request: Request, resource: str, name: str, body: LockExtendIn) -> LockOut:
    """Let a lock run `ttl_seconds` from now; its fencing number stays."""
    return _out(_locks(request).extend(resource, name, body.token, body.ttl_seconds))


@router.post("/locks/{resource}/{name}/release", response={204: None})
@requires(Scope.LOCKS_WRITE)
def release_lock(request: Request, resource: str, name: str, body: LockReleaseIn) -> Status[None]:
    """Release a lock; one who waits for it is woken."""
    _locks(request).release(resource, name, body.token)
    return Status(204, None)


@router.get("/locks/{resource}/{name}", response=LockHoldingOut)
@requires(Scope.LOCKS_READ)
def get_lock(request: Request, resource: str, name: str) -> LockHoldingOut:
    """Return the number of a lock that is held and when it ends, not who holds it; 404 when nobody does."""
    held = _locks(request).get(resource, name)
    return LockHoldingOut(
        resource=resource,
        name=name,
        fencing_number=held.number or None,
        expires_at=held.expires_at,
        expires_in_seconds=held.seconds,
    )


@router.delete("/locks/{resource}/{name}", response={204: None})
@requires(Scope.LOCKS_ADMIN)
def break_lock(request: Request, resource: str, name: str) -> Status[None]:
    """End a lock whoever holds it, which is recorded in the audit trail; 404 when nobody does.

    One who waits for it is woken. The next holder's number is greater: once they have written with it, what the former
    holder still writes is refused.
    """
    services.break_lock(request.principal.organization_id, resource, name, actor=request.principal.actor)
    return Status(204, None)


def _locks(request: Request) -> Locks:
    return Locks(connection, request.principal.organization_id, next_epoch=next_epoch)


def _out(lock: Lock) -> LockOut:
    return LockOut(
        resource=lock.resource,
        name=lock.name,
        token=lock.token,
        fencing_number=lock.number or None,
        expires_at=lock.expires_at,
        expires_in_seconds=lock.remaining(),
    )
