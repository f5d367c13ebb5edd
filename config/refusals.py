"""Answers that ASGI applications give without Django's: named, noted and counted as RequestMiddleware does."""

import logging
from collections.abc import Callable
from contextlib import suppress
from contextvars import Context
from io import BytesIO

from django.http import Http404, HttpRequest, HttpResponse
from django.http.response import HttpResponseBase
from django.urls import Resolver404, resolve

from api.middleware import RequestMiddleware
from api.requests import PlainRequest
from config import errors
from config.bridge import Message, Send, environ_from
from operations.health import live

logger = logging.getLogger("holdfast.errors")


async def refuse(scope: Message, send: Send, error: Exception) -> None:
    """Answer the call by the problem that the table of errors has for the exception."""

    def problem(request: HttpRequest) -> HttpResponse:
        if errors.find_problem(error) is None:
            logger.error("a defect outside of any view", exc_info=error)
            return errors.server_error(request)
        return errors.answer(request, error)

    await _respond(scope, send, problem)


async def not_found(scope: Message, send: Send) -> None:
    """Answer a path that no route has."""
    await _respond(scope, send, lambda request: errors.not_found(request, Http404()))


async def say_alive(scope: Message, send: Send) -> None:
    """Answer that the process runs."""
    await _respond(scope, send, live)


async def _respond(scope: Message, send: Send, respond: Callable[[HttpRequest], HttpResponse]) -> None:
    def routed(request: HttpRequest) -> HttpResponseBase:
        with suppress(Resolver404):
            request.resolver_match = resolve(request.path_info)
        return respond(request)

    request = PlainRequest(environ_from(scope, BytesIO(), 0))
    # In a context that is new: the origin that it names is that of no other call.
    response = Context().run(RequestMiddleware(routed), request)
    headers = [(name.lower().encode("latin-1"), value.encode("latin-1")) for name, value in response.items()]
    content = b"" if scope["method"] == "HEAD" else response.content  # type: ignore[attr-defined]
    await send({"type": "http.response.start", "status": response.status_code, "headers": headers})
    await send({"type": "http.response.body", "body": content})
