"""JSON as callers send it, kept exactly: strict reading, exact numbers, faithful writing.

What is refused could not come back equal, or means different things to different parsers: duplicate names,
NaN and Infinity (also `1e999`), NUL, lone surrogates, nesting beyond a limit (RFC 8259 §4, §6, §8; RFC 7493).
"""

import gc
import itertools
import json
import re
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from decimal import Decimal, InvalidOperation
from math import isinf
from threading import Lock
from typing import Any
from uuid import UUID

import simplejson

MAX_DEPTH = 64
# Of a number; Python refuses to read longer integers.
MAX_DIGITS = 4300
# Of objects, of arrays, and of numbers that are no integers, which all cost a step in Python: a million take about a
# second, and 16 MiB could hold five.
MAX_COSTLY = 1_000_000
# Escapes that may stand for NUL or half a surrogate pair; only their presence makes a look at each string needed.
SUSPICIOUS = re.compile(rb"\\u(?:0000|[dD][89a-fA-F])")
# The one integer that Python cannot hold. To look for it in each one costs a step for each.
SIGNED_ZERO = re.compile(r"-0(?=[\s,\]}]|\Z)")

_lock = Lock()
_resting = 0


class InvalidJSON(Exception):
    """Raised when a body is not JSON that every parser would read alike."""


class TooManyValues(Exception):
    """Raised for a document of more than a million objects, arrays or decimals, however few bytes they have."""


def parse(raw: bytes, *, max_depth: int = MAX_DEPTH) -> Any:
    """Return the document in `raw`; integers and decimals are exact (`int`, `Decimal`).

    Raises InvalidJSON for what is not strict JSON in UTF-8, or nests deeper than `max_depth`; TooManyValues.
    """
    try:
        value = _load(raw.decode())
    except UnicodeDecodeError as error:
        raise InvalidJSON(f"The body is not UTF-8 (byte {error.start}).") from None
    except json.JSONDecodeError as error:
        raise InvalidJSON(f"The body is not JSON: {error.msg} at line {error.lineno} column {error.colno}.") from None
    except RecursionError:
        raise InvalidJSON(f"The body nests deeper than {max_depth} levels.") from None
    except ValueError:
        # Only int() is left.
        raise InvalidJSON(f"The body holds an integer of more than {MAX_DIGITS} digits.") from None
    suspicious = SUSPICIOUS.search(raw) is not None
    if suspicious or raw.count(b"[") + raw.count(b"{") > max_depth:
        _inspect(value, max_depth, (str, dict, list) if suspicious else (dict, list))
    return value


def _load(text: str) -> Any:
    if len(text) <= MAX_COSTLY:
        return _loads(text, _object, _number)
    read_object, read_number = _counted()
    with _collector_at_rest():
        return _loads(text, read_object, read_number)


@contextmanager
def _collector_at_rest() -> Iterator[None]:
    """Keep the collector from walking through all that is read, again and again: a document has no cycles.

    It is the whole process's, so it rests until the last of the threads that asked for it is done.
    """
    global _resting  # noqa: PLW0603
    with _lock:
        _resting += 1
        gc.disable()
    try:
        yield
    finally:
        with _lock:
            _resting -= 1
            if not _resting:
                gc.enable()


def _loads(text: str, read_object: Callable[..., Any], read_number: Callable[[str], Decimal]) -> Any:
    integers = _integers(text, read_number)
    return json.loads(
        text, object_pairs_hook=read_object, parse_float=read_number, parse_constant=_constant, **integers
    )


def read(text: str, *, number: Callable[[str], Any] = Decimal) -> Any:
    """Return the document in `text`, which `dumps` wrote; without the checks that it has passed before.

    `number` reads what is no integer.
    """
    if len(text) <= MAX_COSTLY:
        return json.loads(text, parse_float=number, **_integers(text, number))
    with _collector_at_rest():
        return json.loads(text, parse_float=number, **_integers(text, number))


def refuse_too_many(text: str) -> None:
    """Raise TooManyValues where `parse` would, for a text that `dumps` wrote of values from several documents.

    What such a value cannot be written without is counted in milliseconds. Only where strings may account for the
    excess is the text read again.
    """
    if len(text) <= MAX_COSTLY:
        return
    objects, arrays, decimals = text.count("{"), text.count("["), sum(map(text.count, (".", "E", "-0")))
    if objects + max(arrays, decimals) > MAX_COSTLY:
        parse(text.encode())


def dumps(value: Any) -> str:
    """Return `value` as compact JSON text; exact for what `parse` returned."""
    try:
        return _fast_encoder.encode(value)
    except TypeError:
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
    if len(text) > MAX_DIGITS:
        raise InvalidJSON(f"The body holds a number of more than {MAX_DIGITS} characters.")
    if isinf(float(text)):
        raise InvalidJSON(f"The number {text[:40]} is beyond what a JSON reader can hold.")
    try:
        number = Decimal(text)
    except InvalidOperation:
        number = None
    if number is None or abs(int(number.as_tuple().exponent)) > MAX_DIGITS:
        # Whoever makes an integer or a fraction of 1e-999999999 computes with as many digits, for as long as it takes.
        raise InvalidJSON(f"The exponent of {text[:40]} is beyond what can be kept.")
    if "e" in text.lower() and (digits := str(number)).lstrip("-").isdigit():
        # 1e0 would be written as 1 and read as an integer, and -0e0 would lose its sign.
        return Decimal(f"{digits}.0")
    return number


def _integers(text: str, read_number: Callable[[str], Any]) -> dict[str, Any]:
    """Return how integers are read: by Python's own, unless one of them may be -0, which then counts as a decimal."""
    if SIGNED_ZERO.search(text) is None:
        return {}
    return {"parse_int": lambda digits: read_number(digits) if digits == "-0" else int(digits)}


def _counted() -> tuple[Callable[[list[tuple[str, Any]]], dict[str, Any]], Callable[[str], Decimal]]:
    """Return the two readers with one count between them, which stops at MAX_COSTLY."""
    count = itertools.count(1)

    def spend() -> None:
        if next(count) > MAX_COSTLY:
            raise _too_many()

    def read_object(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
        spend()
        return _object(pairs)

    def read_number(text: str) -> Decimal:
        spend()
        return _number(text)

    return read_object, read_number


def _too_many() -> TooManyValues:
    return TooManyValues(f"The document has more than {MAX_COSTLY:,} objects, arrays or decimal numbers.")


def _constant(text: str) -> None:
    raise InvalidJSON(f"{text} is not JSON.")


def _inspect(value: Any, max_depth: int, kinds: tuple[type, ...]) -> None:
    """Walk the values of these kinds without recursion, refusing depth, NUL, lone surrogates and too many of them."""
    pending: list[tuple[Any, int]] = [(value, 0)]
    containers = 0
    while pending:
        node, depth = pending.pop()
        if type(node) is str:
            _check_string(node)
            continue
        if type(node) not in kinds:
            continue
        containers += 1
        if containers > MAX_COSTLY:
            raise _too_many()
        if depth == max_depth:
            raise InvalidJSON(f"The body nests deeper than {max_depth} levels.")
        if type(node) is dict:
            if str in kinds:
                for name in node:
                    _check_string(name)
            node = node.values()
        pending.extend((child, depth + 1) for child in node if type(child) in kinds)


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


# Python's own encoder takes a third of the time, and knows neither decimals nor text that is ready.
_fast_encoder = json.JSONEncoder(
    ensure_ascii=False, separators=(",", ":"), allow_nan=False, check_circular=False, default=_other
)
_encoder = simplejson.JSONEncoder(
    ensure_ascii=False,
    separators=(",", ":"),
    use_decimal=True,
    allow_nan=False,
    default=_other,
    namedtuple_as_object=False,
)
