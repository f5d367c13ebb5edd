"""What a request may be: its id, its origin, its body and its query."""

import ipaddress
import re
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

from django.conf import settings
from django.core.handlers.wsgi import WSGIRequest
from django.http import HttpRequest
from django.http.request import UnreadablePostError

from api import documents
from api.identifiers import new_id

MIB = 1024 * 1024
REQUEST_ID = re.compile(r"[A-Za-z0-9._-]{1,64}")
# Told by the bridge of a percent sign that begins no octet, which PATH_INFO cannot show.
MALFORMED_PATH = "holdfast.malformed_path"
# How some proxies write addresses (RFC 7239 §6): an IPv6 one in brackets, either with the port.
WITH_PORT = re.compile(r"(?:\[(?P<six>[^\[\]]+)\]|(?P<four>[0-9.]+))(?::[0-9]{1,5})?")
JSON_TYPES = ("application/json", "application/merge-patch+json")


class BodyTooLarge(Exception):
    """Raised when a body is larger than its operation takes."""


@dataclass(frozen=True, slots=True)
class BodyLimit:
    """The largest body that an operation takes, and what is raised for a larger one."""

    size: int
    refusal: type[BodyTooLarge] = BodyTooLarge

    def refuse(self) -> BodyTooLarge:
        return self.refusal(f"The body is larger than the {self.size} bytes that this operation takes.")


class InvalidPath(Exception):
    """Raised for a path that is not text: percent-encoded octets that are no UTF-8, or a percent sign without any."""


class UnsupportedMediaType(Exception):
    """Raised when a body is not sent as JSON, or is sent compressed."""


class InvalidParameter(Exception):
    """Raised for a query parameter that is unknown, repeated, or not text that can be stored."""


class InvalidHeader(Exception):
    """Raised for a header whose value does not have its form."""


class UnexpectedBody(Exception):
    """Raised when a body comes with an operation that takes none."""


class PlainRequest(WSGIRequest):
    """A request that takes no character set from its Content-Type: JSON is UTF-8 (RFC 8259 §8.1).

    Django would decode the query string with any codec that the header names, zlib and punycode too, and fail before
    the first middleware on one that it cannot use.

    It notes where the path is no text: Django writes each octet that is not UTF-8 as it would be percent-encoded, and
    `%FF` would name the same as `%25FF`.
    """

    def __init__(self, environ: dict[str, Any]) -> None:
        if MALFORMED_PATH not in environ:
            environ[MALFORMED_PATH] = not _is_text(environ.get("PATH_INFO", ""))
        super().__init__(environ)

    def _set_content_type_params(self, meta: dict[str, Any]) -> None:
        self.content_type = meta.get("CONTENT_TYPE", "").partition(";")[0].strip().lower()
        self.content_params = {}


DEFAULT_BODY_LIMIT = BodyLimit(MIB)


def request_id(request: HttpRequest) -> str:
    """Return the caller's X-Request-Id when it is short and plain, else a new one."""
    given = request.META.get("HTTP_X_REQUEST_ID", "")
    return given if REQUEST_ID.fullmatch(given) else new_id().hex


def client_address(request: HttpRequest) -> str | None:
    """Return the address the call came from, believing X-Forwarded-For only as far as TRUSTED_PROXIES go."""
    hops = [part.strip() for part in request.META.get("HTTP_X_FORWARDED_FOR", "").split(",") if part.strip()]
    trusted = settings.TRUSTED_PROXIES
    given = hops[-trusted] if 0 < trusted <= len(hops) else request.META.get("REMOTE_ADDR", "")
    return _plain_address(given)


@lru_cache(maxsize=10_000)
def _plain_address(given: str) -> str | None:
    found = WITH_PORT.fullmatch(given)
    plain = given if found is None else found["six"] or found["four"]
    try:
        # PostgreSQL's inet has no zone (fe80::1%eth0).
        return str(ipaddress.ip_address(plain.partition("%")[0]))
    except ValueError:
        return None


def read_body(request: HttpRequest, *, limit: BodyLimit) -> bytes:
    """Return the body, never reading more than its limit and a byte of it.

    A chunked body has no Content-Length, where Django would see none at all; it is read from the server's stream.
    The server does not tell one whose connection broke from a whole one, but no part of a JSON object is one.
    """
    if "chunked" in request.META.get("HTTP_TRANSFER_ENCODING", "").lower():
        stream = request.META["wsgi.input"]
        body: bytes = _read_at_most(stream, limit.size + 1)
        request._body = body
    else:
        declared = request.META.get("CONTENT_LENGTH") or "0"
        if not declared.isascii() or not declared.isdigit():
            raise InvalidHeader("Content-Length is not a number.")
        # The length of the number is looked at first: Python refuses to read one of thousands of digits.
        if len(declared) > 18 or int(declared) > limit.size:
            raise limit.refuse()
        body = request.body
        if len(body) < int(declared):
            raise UnreadablePostError(f"Of {int(declared)} bytes {len(body)} came.")
    if len(body) > limit.size:
        raise limit.refuse()
    return body


def _read_at_most(stream: Any, most: int) -> bytes:
    parts: list[bytes] = []
    while most > 0 and (part := stream.read(most)):
        parts.append(part)
        most -= len(part)
    return b"".join(parts)


def parse_body(request: HttpRequest, body: bytes) -> Any:
    """Return the JSON document in `body`; raises UnsupportedMediaType or documents.InvalidJSON."""
    if request.content_type not in JSON_TYPES:
        raise UnsupportedMediaType(f"Send the body as application/json, not {request.content_type or 'untyped'!r}.")
    coding = request.META.get("HTTP_CONTENT_ENCODING", "").strip()
    if coding.lower() not in ("", "identity"):
        raise UnsupportedMediaType(f"Send the body as it is, without the Content-Encoding {coding[:100]!r}.")
    return documents.parse(body)


def check_path(request: HttpRequest) -> None:
    """Refuse a path that is no text; raises InvalidPath."""
    if request.META.get(MALFORMED_PATH):
        raise InvalidPath("The path is not UTF-8 that is percent-encoded.")


def _is_text(path: str) -> bool:
    """Tell whether a path as PEP 3333 has it, a character for each octet, is UTF-8."""
    try:
        path.encode("latin-1").decode()
    except UnicodeError:
        return False
    return True


def check_query(request: HttpRequest, known: frozenset[str]) -> None:
    """Refuse query parameters that the operation does not know, that repeat, or that hold NUL or broken UTF-8."""
    if not request.META.get("QUERY_STRING"):
        return
    for name, values in request.GET.lists():
        if name not in known:
            raise InvalidParameter(f"The query parameter {name[:100]!r} is unknown here.")
        if len(values) > 1:
            raise InvalidParameter(f"The query parameter {name!r} is given {len(values)} times.")
        if "\x00" in values[0] or "\ufffd" in values[0]:
            raise InvalidParameter(f"The query parameter {name!r} holds characters that are not text.")
