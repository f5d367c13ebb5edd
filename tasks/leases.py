"""The header that carries a lease's fencing token."""

from django.http import HttpRequest

from api.headers import Header
from api.requests import InvalidHeader

HEADER = "Holdfast-Lease-Token"
MOST = 2**63 - 1
LEASE_TOKEN = Header(HEADER, "The fencing token of the lease that the write is made under.", {"type": "integer"})


class LeaseTokenMissing(Exception):
    """Raised when an operation on a lease comes without its token."""


def find_token(request: HttpRequest) -> int | None:
    """Return the request's lease token, or None; raises InvalidHeader for what is not one."""
    given = request.META.get("HTTP_HOLDFAST_LEASE_TOKEN")
    if given is None:
        return None
    if not (given.isascii() and given.isdigit() and len(given) < 20 and 0 < int(given) <= MOST):
        raise InvalidHeader(f"{HEADER} must be the number that the claim gave.")
    return int(given)


def get_token(request: HttpRequest) -> int:
    """Return the request's lease token; raises LeaseTokenMissing when it has none."""
    token = find_token(request)
    if token is None:
        raise LeaseTokenMissing(f"Send the token that the claim gave as {HEADER}.")
    return token
