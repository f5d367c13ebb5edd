"""Counting the service's own calls: which limits a call has, and what becomes of one beyond them."""

import uuid
from collections.abc import Callable, Hashable, Sequence
from functools import partial

from django.conf import settings
from django.http import HttpRequest
from prometheus_client import Counter

from accounts.lockout import source_of
from api import waiting
from api.requests import client_address
from coordination import keys
from coordination.api_limits import clock, own
from coordination.api_limits.fields import fields, retry_after, violated
from coordination.api_limits.limiter import Complaint, Limiter
from coordination.api_limits.permits import Taken
from coordination.api_limits.table import DEFAULT, OF_CALLERS, ORGANIZATION, SECRETS, TABLE, Limit, Quota
from coordination.connections import Unavailable
from coordination.models import OrganizationRateLimits
from coordination.shared import quick_connection
from orgs.principals import Principal
from orgs.rate_limiting import Rate, RateLimited, Uncounted

REFUSED = Counter("holdfast_rate_limit_refused_total", "Calls refused by a limit of the API.", ["limit"])
WITHOUT_VALKEY = Counter(
    "holdfast_rate_limit_without_valkey_total",
    "Calls counted by the process alone, or refused because they could not be counted.",
    ["decision"],
)
CLOSED = "This is closed while calls cannot be counted: Valkey cannot be reached just now. Try again."
# What an organization is shown of its limits.
SHOWN = {limit.name for limit in (*OF_CALLERS, SECRETS)}
# Those with a key or a token, and those told by their addresses: however many addresses come, no key is forgotten.
_complaint = Complaint()
callers = Limiter(quick_connection, complaint=_complaint)
addresses = Limiter(quick_connection, complaint=_complaint)


def check(request: HttpRequest, names: tuple[str, ...]) -> None:
    """Count a call by its principal, and by the limits that its operation names. Raises RateLimited, Uncounted."""
    principal: Principal | None = getattr(request, "principal", None)
    taken: list[Taken] = []
    take = _look if waiting.is_further_try(request) else _take
    try:
        if principal is not None:
            caller = (principal.organization_id, principal.credential_id, names)
            take(callers, caller, partial(quotas_of, principal, names), taken)
        for name in names:
            if (limit := TABLE[name]).counted == "address":
                source = source_of(client_address(request))
                take(addresses, (name, source), partial(_of_address, limit, source), taken)
    finally:
        if taken:
            request.rate_limit_fields = fields(  # type: ignore[attr-defined]
                taken, settings.RATE_LIMIT_WINDOW_SECONDS, clock.now()
            )


def quotas_of(principal: Principal, names: Sequence[str]) -> list[Quota]:
    """Return what holds for a principal's call, of operations with these limits of their own; nothing switched off."""
    found = [*OF_CALLERS, *(limit for name in names if (limit := TABLE[name]).counted != "address")]
    numbers = _numbers(own.find(principal.organization_id))
    return [_quota(limit, principal, numbers[limit.name]) for limit in found if numbers[limit.name]]


def rates(organization_id: uuid.UUID) -> dict[str, Rate]:
    """Return the limits of an organization's calls by name, as they stand, inside its open scope."""
    row = OrganizationRateLimits.objects.filter(organization_id=organization_id).first()
    numbers = _numbers(own.NONE if row is None else own.Own(row.key_requests, row.organization_requests))
    return {name: Rate(numbers[name] or None, settings.RATE_LIMIT_WINDOW_SECONDS) for name in numbers if name in SHOWN}


def _numbers(found: own.Own) -> dict[str, int]:
    """Return the numbers of calls that the limits of an organization with these own ones allow, 0 for no limit."""
    numbers = {limit.name: int(getattr(settings, limit.setting)) for limit in TABLE.values()}
    own_numbers = {DEFAULT.name: found.key_requests, ORGANIZATION.name: found.organization_requests}
    return numbers | {name: number for name, number in own_numbers.items() if number is not None}


def _quota(limit: Limit, principal: Principal, most: int) -> Quota:
    counted = principal.credential_id if limit.counted == "key" else principal.organization_id
    return Quota(limit, keys.api_limit(principal.organization_id, limit.name, str(counted)), most)


def _of_address(limit: Limit, source: str) -> list[Quota]:
    most = getattr(settings, limit.setting)
    return [Quota(limit, keys.api_limit(None, limit.name, source), most)] if most else []


def _take(limiter: Limiter, caller: Hashable, quotas: Callable[[], Sequence[Quota]], taken: list[Taken]) -> None:
    try:
        found = limiter.take(caller, quotas, settings.RATE_LIMIT_WINDOW_SECONDS)
    except Unavailable:
        WITHOUT_VALKEY.labels("closed").inc()
        raise Uncounted(CLOSED) from None
    if found is None:
        return
    each, counted = found
    taken.append(each)
    if not counted:
        WITHOUT_VALKEY.labels("local").inc()
    if not each[0].granted:
        _refuse(each)


def _look(limiter: Limiter, caller: Hashable, quotas: Callable[[], Sequence[Quota]], taken: list[Taken]) -> None:
    """Count nothing: the call was counted when it came first."""
    if (known := limiter.look(caller)) is not None:
        taken.append(known)


def _refuse(taken: Taken) -> None:
    met = violated(taken)
    for standing in met:
        REFUSED.labels(standing.name).inc()
    seconds = retry_after(taken, clock.now())
    words = " and ".join(f"{standing.most:,} calls ({standing.name})" for standing in met)
    raise RateLimited(
        f"There may be {words} in {settings.RATE_LIMIT_WINDOW_SECONDS} s; send this one again after {seconds} s.",
        [standing.name for standing in met],
        seconds,
    )
