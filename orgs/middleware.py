"""The operators' console: sessions, CSRF and sign-in stand on its paths only, in a system-wide scope."""

from collections.abc import Callable
from typing import cast

from django.contrib.auth.middleware import AuthenticationMiddleware
from django.contrib.messages.middleware import MessageMiddleware
from django.core.exceptions import BadRequest, RequestDataTooBig, ValidationError
from django.db import DataError, transaction
from django.http import HttpRequest
from django.http.response import HttpResponseBase
from django.middleware.clickjacking import XFrameOptionsMiddleware
from django.middleware.common import CommonMiddleware
from django.middleware.security import SecurityMiddleware

from orgs import tenancy
from orgs.connections import drop_dead_connection
from orgs.sign_in import AttemptMiddleware, VisitorMiddleware

Respond = Callable[[HttpRequest], HttpResponseBase]
CONSOLE = "/admin/"
MOST_BYTES = 1024 * 1024
# Outermost first. CSRF is not among them: Django's admin decorates each of its views with csrf_protect itself, and
# AttemptMiddleware asks it where a password or a code is tried.
CHAIN = (
    SecurityMiddleware,
    VisitorMiddleware,
    CommonMiddleware,
    AuthenticationMiddleware,
    MessageMiddleware,
    XFrameOptionsMiddleware,
    AttemptMiddleware,
)


class OperatorMiddleware:
    """Serve /admin/ through Django's own middleware and in one transaction of the system role."""

    def __init__(self, get_response: Respond) -> None:
        self.get_response = get_response
        console: Respond = self._in_system_scope
        for middleware in reversed(CHAIN):
            console = cast(Respond, middleware(console))
        self.console = console

    def __call__(self, request: HttpRequest) -> HttpResponseBase:
        if not request.path.startswith(CONSOLE):
            return self.get_response(request)
        # Django would read a form of any size: settings leave the limit to the API's operations.
        if _declared_length(request) > MOST_BYTES:
            raise RequestDataTooBig
        drop_dead_connection()
        return self.console(request)

    def _in_system_scope(self, request: HttpRequest) -> HttpResponseBase:
        """An exception arrives here as the response that Django made of it; it must not commit."""
        with tenancy.system():
            response = self.get_response(request)
            if response.status_code >= 500:
                transaction.set_rollback(True)
        return response

    def process_exception(self, request: HttpRequest, exception: Exception) -> None:
        """Refuse a value that no column can hold: Django's own views look up whatever stands in an address."""
        if request.path.startswith(CONSOLE) and isinstance(exception, (ValidationError, DataError)):
            transaction.set_rollback(True)
            raise BadRequest from exception


def _declared_length(request: HttpRequest) -> int:
    """Return how much Django would read: nothing where the header is missing or no number."""
    declared = request.META.get("CONTENT_LENGTH") or ""
    return int(declared[:20]) if declared.isascii() and declared.isdigit() else 0
