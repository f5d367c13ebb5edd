"""Where calls are held to the service's own limits. What counts them stands above this app and registers itself.

An operation declares the limits that are its own (`orgs.permissions.limited_by`); those of a key and its organization
hold for every call that comes with one.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from uuid import UUID

from django.http import HttpRequest


class Uncounted(Exception):
    """Raised for a call that must be counted and cannot be just now."""


class RateLimited(Exception):
    """Raised for a call beyond a limit. `violated` names the limits, `retry_after` is in whole seconds."""

    def __init__(self, detail: str, violated: Sequence[str], retry_after: int) -> None:
        super().__init__(detail)
        self.violated, self.retry_after = list(violated), retry_after


@dataclass(frozen=True)
class Rate:
    """So many calls in any window of so many seconds; None where there is no limit."""

    limit: int | None
    window_seconds: int


@dataclass(frozen=True)
class Limiter:
    """`check` counts a call by its principal, and by the limits that its operation names, or raises.

    It leaves in `request.rate_limit_fields` what the answer tells of it (api.middleware). `rates` tells an
    organization's limits, inside its open scope.
    """

    check: Callable[[HttpRequest, tuple[str, ...]], None]
    rates: Callable[[UUID], dict[str, Rate]]


_limiter: Limiter | None = None


def register(limiter: Limiter) -> None:
    """Have every call counted; the app above does so once it is ready."""
    global _limiter  # noqa: PLW0603
    _limiter = limiter


def check(request: HttpRequest, names: tuple[str, ...] = ()) -> None:
    """Count the call. Raises RateLimited, or Uncounted where a limit is closed while nothing can be counted."""
    if _limiter is not None:
        _limiter.check(request, names)


def rates(organization_id: UUID) -> dict[str, Rate]:
    """Return the limits of an organization by name, inside its open scope."""
    return {} if _limiter is None else _limiter.rates(organization_id)
