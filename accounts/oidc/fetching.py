"""Reading a small JSON document from an issuer: within a deadline, a size, and from nowhere but the address given."""

import re
import socket
import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from http.client import HTTPConnection, HTTPException, HTTPMessage, HTTPResponse, HTTPSConnection
from threading import Timer
from typing import Any
from urllib.error import HTTPError
from urllib.parse import urlsplit
from urllib.request import (
    HTTPHandler,
    HTTPRedirectHandler,
    HTTPSHandler,
    OpenerDirector,
    ProxyHandler,
    Request,
    build_opener,
)

from accounts.oidc.issuers import is_loopback

SECONDS = 3.0
MOST_BYTES = 256 * 1024
MAX_AGE = re.compile(r"(?:^|[\s,])max-age=\"?(\d{1,9})", re.IGNORECASE)


class Unreachable(Exception):
    """Raised when an address gives no such document in time; the message says why."""


@dataclass(frozen=True)
class Fetched:
    raw: bytes
    # What Cache-Control says, in seconds, where it says so.
    max_age: int | None


def fetch(url: str, *, seconds: float = SECONDS) -> Fetched:
    """Return the document at the address, whose reader tells whether it is JSON. Raises Unreachable.

    What Content-Type calls it does not matter: files from a plain host are often sent as text or as bytes.

    A redirect is not followed: whoever could answer with one would choose the keys. The proxies of the environment
    are used, except for this machine.
    """
    ends = time.monotonic() + seconds
    request = Request(url, headers={"Accept": "application/json", "User-Agent": "holdfast"})  # noqa: S310  (checked)
    try:
        with _opener(url, ends).open(request, timeout=seconds) as response:
            return _read(response, ends)
    except HTTPError as error:
        with error:
            raise Unreachable(f"it answered {error.code}") from None
    except (OSError, HTTPException, ValueError) as error:
        raise Unreachable(_reason(error, ends)) from None


def _read(response: HTTPResponse, ends: float) -> Fetched:
    if response.status != 200:
        raise Unreachable(f"it answered {response.status}")
    raw = response.read(MOST_BYTES + 1)
    if len(raw) > MOST_BYTES:
        raise Unreachable(f"its answer is larger than {MOST_BYTES} bytes")
    if response.length:
        raise Unreachable("its answer ended early" if time.monotonic() < ends else "it did not answer in time")
    stated = MAX_AGE.search(response.headers.get("Cache-Control", ""))
    return Fetched(raw, int(stated[1]) if stated else None)


def _reason(error: Exception, ends: float) -> str:
    if time.monotonic() >= ends:
        return "it did not answer in time"
    return f"the connection failed ({type(getattr(error, 'reason', error)).__name__})"


class _Bounded(HTTPConnection):
    """A connection that is cut off at a moment: under a time-out alone a byte now and then would keep it for ever."""

    def __init__(self, *args: Any, ends: float, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self._ends = ends

    def connect(self) -> None:
        super().connect()
        timer = Timer(max(self._ends - time.monotonic(), 0), _cut(self.sock))
        timer.daemon = True
        timer.start()


class _BoundedTLS(_Bounded, HTTPSConnection):
    """The same over TLS."""


def _cut(connection: socket.socket) -> Callable[[], None]:
    def cut() -> None:
        with suppress(OSError):  # closed by now
            # Not the method of a TLS socket, which takes the session from under who reads from it.
            socket.socket.shutdown(connection, socket.SHUT_RDWR)

    return cut


class _Plain(HTTPHandler):
    def __init__(self, ends: float) -> None:
        super().__init__()
        self._ends = ends

    def http_open(self, req: Request) -> HTTPResponse:
        return self.do_open(_Bounded, req, ends=self._ends)  # type: ignore[arg-type]


class _TLS(HTTPSHandler):
    def __init__(self, ends: float) -> None:
        super().__init__()
        self._ends = ends

    def https_open(self, req: Request) -> HTTPResponse:
        return self.do_open(_BoundedTLS, req, ends=self._ends, context=self._context)  # type: ignore[arg-type,attr-defined]


class _Straight(HTTPRedirectHandler):
    def redirect_request(self, req: Request, fp: Any, code: int, msg: str, headers: HTTPMessage, newurl: str) -> None:
        return None


def _opener(url: str, ends: float) -> OpenerDirector:
    own = is_loopback(urlsplit(url).hostname or "")
    return build_opener(ProxyHandler({} if own else None), _Plain(ends), _TLS(ends), _Straight())
