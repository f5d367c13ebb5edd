"""Conditional requests: the entity tag is the generation (RFC 9110 §8.8.3, §13.1)."""

import re

from django.http import HttpRequest

from api.requests import InvalidHeader

# One element of a list of tags, up to its comma; an element may be empty (RFC 9110 §5.6.1), and a tag may hold commas.
ELEMENT = re.compile(r'[ \t]*(?:(W/)?"([\x21\x23-\x7e\x80-\xff]*)"[ \t]*)?(?:,|$)')
MAX_GENERATION = 2**63 - 1


class PreconditionFailed(Exception):
    """Raised when If-Match or If-None-Match names another generation than the stored one."""


def etag(generation: int) -> str:
    return f'"{generation}"'


def expected_generations(request: HttpRequest) -> list[int] | None:
    """Return the generations that If-Match accepts, or None when any will do.

    `*` asks only that the subject exists, which every write does. A weak tag never matches (RFC 9110 §13.1.1),
    and neither does a tag that we never gave: the list may come back empty and then nothing matches.
    """
    header = request.META.get("HTTP_IF_MATCH")
    if header is None or header.strip() == "*":
        return None
    return [int(tag) for weak, tag in _tags("If-Match", header) if not weak and _is_generation(tag)]


def matches_known_copy(request: HttpRequest, generation: int) -> bool:
    """Is the caller's copy, named by If-None-Match, the current one? Then a GET answers 304."""
    header = request.META.get("HTTP_IF_NONE_MATCH")
    if header is None:
        return False
    return header.strip() == "*" or str(generation) in {tag for _, tag in _tags("If-None-Match", header)}


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
