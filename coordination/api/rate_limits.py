"""Limits that callers set for themselves. The answer is the decision: 200 also when it is no."""

from ninja import Router
from ninja.responses import Status

from coordination.rate_limits import RateLimits
from coordination.schemas.rate_limits import CheckIn, Cost, DecisionOut, MaxRequests, WindowSeconds, decided
from coordination.shared import connection
from orgs.permissions import Scope, requires
from orgs.principals import Request

router = Router(tags=["rate-limits"])


def _limits(request: Request) -> RateLimits:
    return RateLimits(connection, request.principal.organization_id)


@router.post("/rate-limits/{resource}/{name}/check", response=DecisionOut)
@requires(Scope.RATE_LIMITS_WRITE)
def check_rate_limit(request: Request, resource: str, name: str, body: CheckIn) -> DecisionOut:
    """Spend of a limit, all of the cost or nothing: never more than `max_requests` in any window.

    A cost that does not fit is answered with 200 and `allowed` false: it is what was asked for. Without Valkey nothing
    is known: 503 `valkey-unavailable`, and the caller decides what that means. After any 503 the cost may have been
    spent; to send it again, with its `Idempotency-Key` too, may spend it twice, and never lets more through.
    """
    decision = _limits(request).check(resource, name, **body.model_dump())
    return decided(decision, body.max_requests, body.window_seconds)


@router.get("/rate-limits/{resource}/{name}", response=DecisionOut)
@requires(Scope.RATE_LIMITS_READ)
def peek_rate_limit(
    request: Request,
    resource: str,
    name: str,
    max_requests: MaxRequests,
    window_seconds: WindowSeconds,
    cost: Cost = 1,
) -> DecisionOut:
    """Tell what a check would decide, and what remains; spends nothing."""
    decision = _limits(request).peek(
        resource, name, max_requests=max_requests, window_seconds=window_seconds, cost=cost
    )
    return decided(decision, max_requests, window_seconds)


@router.delete("/rate-limits/{resource}/{name}", response={204: None})
@requires(Scope.RATE_LIMITS_ADMIN)
def reset_rate_limit(request: Request, resource: str, name: str) -> Status[None]:
    """Forget what was spent of a limit."""
    _limits(request).reset(resource, name)
    return Status(204, None)
