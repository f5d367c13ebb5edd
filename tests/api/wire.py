"""Requests as a server hands them to the application: any bytes, any header, and nothing tidied on the way."""

import io
from collections.abc import Mapping
from functools import cache
from http.client import responses
from importlib import import_module
from typing import Any
from urllib.parse import unquote_to_bytes

from tests.factories import API, Answer

NAMED = {"Content-Type": "CONTENT_TYPE", "Content-Length": "CONTENT_LENGTH"}


@cache
def _application() -> Any:
    """Load what granian serves; it looks at the database, which is not there yet when tests are collected."""
    return import_module("config.wsgi").application


def send(
    method: str,
    target: str,
    body: bytes = b"",
    *,
    key: str | None = None,
    headers: Mapping[str, str] | None = None,
    chunked: bool = False,
    stream: Any = None,
) -> Answer:
    """Call the WSGI application; `target` is the raw path and query below /api/v1, or a whole one from `/`."""
    path, _, query = target.partition("?")
    given = (
        {"Content-Type": "application/json"} | ({"Authorization": f"Bearer {key}"} if key else {}) | dict(headers or {})
    )
    environ: dict[str, Any] = {
        "REQUEST_METHOD": method,
        "SCRIPT_NAME": "",
        "PATH_INFO": unquote_to_bytes(path if path.startswith("/api/") else f"{API}{path}").decode("latin-1"),
        "QUERY_STRING": query,
        "SERVER_NAME": "localhost",
        "SERVER_PORT": "80",
        "SERVER_PROTOCOL": "HTTP/1.1",
        "REMOTE_ADDR": "127.0.0.1",
        "wsgi.url_scheme": "http",
        "wsgi.input": stream or io.BytesIO(body),
        "wsgi.errors": io.StringIO(),
    }
    if chunked:
        environ["HTTP_TRANSFER_ENCODING"] = "chunked"
    elif body:
        environ["CONTENT_LENGTH"] = str(len(body))
    for name, value in given.items():
        environ[NAMED.get(name, f"HTTP_{name.upper().replace('-', '_')}")] = value
    started: list[Any] = []
    answer = _application()(environ, lambda *args: started.extend(args))
    try:
        raw = b"".join(answer)
    finally:
        answer.close()
    status = int(started[0].split(" ")[0])
    assert status in responses
    return Answer(status, dict(started[1]), raw)
