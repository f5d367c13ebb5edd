"""Conditional requests: the entity tag is the generation (RFC 9110 §8.8.3, §13.1)."""

import re
from collections.abc import Callable
from typing import Any, TypeVar

from django.http import HttpRequest, HttpResponse, HttpResponseNotModified

from api.headers import Header
from api.requests import InvalidHeader

F = TypeVar("F", bound=Callable[..., Any])
# One element of a list of tags, up to its comma; an element may be empty (RFC 9110 §5.6.1), and a tag may hold commas.
ELEMENT = re.compile(r'[ \t]*(?:(W/)?"([\x21\x23-\x7e\x80-\xff]*)"[ \t]*)?(?:,|$)')
MAX_GENERATION = 2**63 - 1
IF_MATCH = Header(
    "If-Match",
    "Write only when the subject's ETag is one of these; * writes only what is there.",
    {"type": "string", "example": '"3"'},
)
IF_NONE_MATCH = Header(
    "If-None-Match",
    "Write only when the ETag is none of these; * writes only where nothing was stored yet.",
    {"type": "string", "example": "*"},
)


class PreconditionFailed(Exception):
    """Raised when If-Match or If-None-Match names another generation than the stored one."""


def etag(generation: int) -> str:
    return f'"{generation}"'


def accepted_generations(request: HttpRequest, *, absent: int | None = None) -> list[int] | None:
    """Return the generations that If-Match accepts, or None when any will do.

    `*` asks only that the subject exists, which every write of what is there does; for others see `asks_for_any`.
    A weak tag never matches (RFC 9110 §13.1.1), and neither does a tag that we never gave: the list may come back
    empty and then nothing matches. Nor does anything match a write that `If-None-Match: *` allows only where nothing
    is yet: it changes what is there.
    A POST under a subject adds to it, and what it adds is new. A write that also makes what it writes names the
    generation of what is `absent`, which is then the one that matches.
    """
    only_new = request.method != "POST" and request.META.get("HTTP_IF_NONE_MATCH", "").strip() == "*"
    if only_new and absent is None:
        return []
    header = request.META.get("HTTP_IF_MATCH")
    accepted = None
    if header is not None and header.strip() != "*":
        accepted = [int(tag) for weak, tag in _tags("If-Match", header) if not weak and _is_generation(tag)]
    if not only_new or absent is None:
        return accepted
    return [absent] if accepted is None or absent in accepted else []


def asks_for_any(request: HttpRequest) -> bool:
    """Return whether If-Match is `*`: of what a write may also make, there must be something (RFC 9110 §13.1.1)."""
    header: str = request.META.get("HTTP_IF_MATCH", "")
    return header.strip() == "*"


def refused_generations(request: HttpRequest) -> list[int]:
    """Return the generations that If-None-Match rules out for a write, by weak comparison (RFC 9110 §13.1.2).

    What a POST adds has no tag yet that could be ruled out.
    """
    header = request.META.get("HTTP_IF_NONE_MATCH")
    if header is None or header.strip() == "*" or request.method == "POST":
        return []
    return [int(tag) for _, tag in _tags("If-None-Match", header) if _is_generation(tag)]


def check_untagged(request: HttpRequest) -> None:
    """Refuse conditions that a write of what has no tag cannot meet; raises PreconditionFailed, InvalidHeader.

    No tag is that of a thing that a POST makes, since nothing is there yet, nor that of a lease, which has none; but
    a lease is there (RFC 9110 §13.1.1, §13.1.2).
    """
    makes = request.method == "POST"
    if_match, if_none_match = request.META.get("HTTP_IF_MATCH"), request.META.get("HTTP_IF_NONE_MATCH")
    if if_match is not None:
        anything = if_match.strip() == "*" or not _tags("If-Match", if_match)
        if makes or not anything:
            raise PreconditionFailed("This operation writes nothing that has an ETag yet: no If-Match can be met.")
    if if_none_match is not None:
        nothing = if_none_match.strip() == "*" or not _tags("If-None-Match", if_none_match)
        if nothing and not makes:
            raise PreconditionFailed("What this operation writes is there: If-None-Match: * cannot be met.")


def always_sent(operation: F) -> F:
    """Declare that a GET shows what changes without a generation: no copy that the caller knows is known to be good."""
    operation.always_sent = True  # type: ignore[attr-defined]
    return operation


def tells_tag(operation: F) -> F:
    """Declare that an answer carries the ETag of one subject that it shows beside others."""
    operation.tells_tag = True  # type: ignore[attr-defined]
    return operation


def spare_known_copy(response: HttpResponse, if_none_match: str) -> HttpResponse:
    """Return 304 in place of an answer whose ETag the header names (RFC 9110 §13.1.2), else the answer itself."""
    tag = response.headers.get("ETag")
    if tag is None or response.status_code != 200:
        return response
    if if_none_match.strip() != "*" and tag not in {f'"{name}"' for _, name in _tags("If-None-Match", if_none_match)}:
        return response
    spared = HttpResponseNotModified()
    spared.headers["ETag"] = tag
    return spared


def _is_generation(tag: str) -> bool:
    return tag.isascii() and tag.isdigit() and len(tag) < 20 and int(tag) <= MAX_GENERATION


def _tags(name: str, header: str) -> list[tuple[str, str]]:
    found, end = [], 0
    while end < len(header) and (match := ELEMENT.match(header, end)):
        end = match.end()
        if match[2] is not None:
            found.append((match[1] or "", match[2]))
    if end < len(header) or not found:
        raise InvalidHeader(f'{name} must be * or a list of entity tags such as "3".')
    return found
