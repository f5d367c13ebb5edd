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
from api.waiting import CALL, WaitingCall
from audit.origin import set_origin
from config import errors
from config.bridge import Environ, Message, Send, environ_from
from operations.health import live

logger = logging.getLogger("holdfast.errors")
# Without a meaning in HTTP; nobody is there to be told. What nginx notes for the same.
CALLER_GONE = 499


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


def note_gone(scope: Message, call: WaitingCall) -> None:
    """Note and count a call whose caller hung up while it waited, by the status that proxies use for it."""

    def nothing(request: HttpRequest) -> HttpResponse:
        # What the first try found out about the caller.
        set_origin(call.origin)
        return HttpResponse(status=CALLER_GONE)

    call.resume()
    _note(scope, nothing, {CALL: call, "HTTP_X_REQUEST_ID": call.origin.request_id})


async def _respond(scope: Message, send: Send, respond: Callable[[HttpRequest], HttpResponse]) -> None:
    response = _note(scope, respond, {})
    headers = [(name.lower().encode("latin-1"), value.encode("latin-1")) for name, value in response.items()]
    content = b"" if scope["method"] == "HEAD" else response.content  # type: ignore[attr-defined]
    await send({"type": "http.response.start", "status": response.status_code, "headers": headers})
    await send({"type": "http.response.body", "body": content})


def _note(scope: Message, respond: Callable[[HttpRequest], HttpResponse], more: Environ) -> HttpResponseBase:
    def routed(request: HttpRequest) -> HttpResponseBase:
        with suppress(Resolver404):
            request.resolver_match = resolve(request.path_info)
        return respond(request)

    request = PlainRequest(environ_from(scope, BytesIO(), 0) | more)
    # In a context that is new: the origin that it names is that of no other call.
    return Context().run(RequestMiddleware(routed), request)
