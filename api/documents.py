"""JSON as callers send it, kept exactly: strict reading, exact numbers, faithful writing.

What is refused could not come back equal, or means different things to different parsers: duplicate names,
NaN and Infinity (also `1e999`), NUL, lone surrogates, nesting beyond a limit (RFC 8259 §4, §6, §8; RFC 7493).
"""

import json
import re
from datetime import UTC, datetime
from decimal import Decimal, InvalidOperation
from math import isinf
from typing import Any
from uuid import UUID

import simplejson

MAX_DEPTH = 64
# Escapes that may stand for NUL or half a surrogate pair; only their presence makes a look at each string needed.
SUSPICIOUS = re.compile(rb"\\u(?:0000|[dD][89a-fA-F])")


class InvalidJSON(Exception):
    """Raised when a body is not JSON that every parser would read alike."""


def parse(raw: bytes, *, max_depth: int = MAX_DEPTH) -> Any:
    """Return the document in `raw`; integers and decimals are exact (`int`, `Decimal`).

    Raises InvalidJSON for what is not strict JSON in UTF-8, or nests deeper than `max_depth`.
    """
    try:
        value = json.loads(
            raw.decode(),
            object_pairs_hook=_object,
            parse_float=_number,
            parse_constant=_constant,
        )
    except UnicodeDecodeError as error:
        raise InvalidJSON(f"The body is not UTF-8 (byte {error.start}).") from None
    except json.JSONDecodeError as error:
        raise InvalidJSON(f"The body is not JSON: {error.msg} at line {error.lineno} column {error.colno}.") from None
    except RecursionError:
        raise InvalidJSON(f"The body nests deeper than {max_depth} levels.") from None
    except ValueError:
        # Only int() is left: Python refuses literals of more than 4,300 digits.
        raise InvalidJSON("The body holds an integer of more than 4300 digits.") from None
    if raw.count(b"[") + raw.count(b"{") > max_depth or SUSPICIOUS.search(raw):
        _inspect(value, max_depth)
    return value


def dumps(value: Any) -> str:
    """Return `value` as compact JSON text; exact for what `parse` returned."""
    return _encoder.encode(value)


class Raw(simplejson.RawJSON):
    """JSON text from the database, written out as it stands."""


def _object(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) != len(pairs):
        seen: set[str] = set()
        double = next(name for name, _ in pairs if name in seen or seen.add(name))  # type: ignore[func-returns-value]
        raise InvalidJSON(f"The name {double[:100]!r} stands twice in one object.")
    return found


def _number(text: str) -> Decimal:
    if len(text) > 4300:
        raise InvalidJSON("The body holds a number of more than 4300 characters.")
    if isinf(float(text)):
        raise InvalidJSON(f"The number {text[:40]} is beyond what a JSON reader can hold.")
    try:
        number = Decimal(text)
    except InvalidOperation:
        raise InvalidJSON(f"The exponent of {text[:40]} is beyond what can be kept.") from None
    if "e" in text.lower() and (digits := str(number)).lstrip("-").isdigit():
        # 1e0 would be written as 1 and read as an integer, and -0e0 would lose its sign.
        return Decimal(f"{digits}.0")
    return number


def _constant(text: str) -> None:
    raise InvalidJSON(f"{text} is not JSON.")


def _inspect(value: Any, max_depth: int) -> None:
    """Walk the document without recursion, refusing depth, NUL and lone surrogates."""
    pending: list[tuple[Any, int]] = [(value, 0)]
    while pending:
        node, depth = pending.pop()
        if type(node) is str:
            _check_string(node)
            continue
        if type(node) not in (dict, list):
            continue
        if depth == max_depth:
            raise InvalidJSON(f"The body nests deeper than {max_depth} levels.")
        if type(node) is dict:
            for name in node:
                _check_string(name)
            node = node.values()
        pending.extend((child, depth + 1) for child in node if type(child) in (str, dict, list))


def _check_string(text: str) -> None:
    if "\x00" in text:
        raise InvalidJSON("The body holds a NUL character, which cannot be stored.")
    try:
        text.encode()
    except UnicodeEncodeError:
        raise InvalidJSON("The body holds half of a surrogate pair, which is not Unicode text.") from None


def _other(value: object) -> object:
    if isinstance(value, datetime):
        return timestamp(value)
    if isinstance(value, UUID):
        return str(value)
    raise TypeError(f"{type(value).__name__} is not JSON")


def timestamp(value: datetime) -> str:
    """Return RFC 3339 in UTC with microseconds, ending in Z."""
    return value.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%S.%fZ")


_encoder = simplejson.JSONEncoder(
    ensure_ascii=False,
    separators=(",", ":"),
    use_decimal=True,
    allow_nan=False,
    default=_other,
    namedtuple_as_object=False,
)
