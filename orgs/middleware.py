"""The operators' console: sessions, CSRF and sign-in stand on its paths only, in a system-wide scope."""

from collections.abc import Callable
from typing import cast

from django.contrib.auth.middleware import AuthenticationMiddleware
from django.contrib.messages.middleware import MessageMiddleware
from django.contrib.sessions.middleware import SessionMiddleware
from django.db import transaction
from django.http import HttpRequest
from django.http.response import HttpResponseBase
from django.middleware.clickjacking import XFrameOptionsMiddleware
from django.middleware.common import CommonMiddleware
from django.middleware.security import SecurityMiddleware

from orgs import tenancy
from orgs.connections import drop_dead_connection

Respond = Callable[[HttpRequest], HttpResponseBase]
CONSOLE = "/admin/"
# Outermost first. CSRF is not among them: Django's admin decorates each of its views with csrf_protect itself.
CHAIN = (
    SecurityMiddleware,
    SessionMiddleware,
    CommonMiddleware,
    AuthenticationMiddleware,
    MessageMiddleware,
    XFrameOptionsMiddleware,
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
        drop_dead_connection()
        return self.console(request)

    def _in_system_scope(self, request: HttpRequest) -> HttpResponseBase:
        """An exception arrives here as the response that Django made of it; it must not commit."""
        with tenancy.system():
            response = self.get_response(request)
            if response.status_code >= 500:
                transaction.set_rollback(True)
        return response
