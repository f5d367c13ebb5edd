"""What may be asked of coordination: names, times, values. Needs no Django."""

import json
import math
import re
from typing import Any

CONTAINERS = (dict, list, tuple)
MAX_NAME_LENGTH = 200
MAX_VALUE_BYTES = 512 * 1024
MAX_TTL_SECONDS = 30 * 24 * 3600
# No control characters, and none that only looks like a name: separators of lines and paragraphs, halves of pairs.
NAME = re.compile(r"[^\x00-\x1f\x7f-\x9f\u2028\u2029\ud800-\udfff]+")


class InvalidName(Exception):
    """Raised for a resource, an id or a queue's name that is empty, too long, or holds what no name may hold."""


class InvalidTTL(Exception):
    """Raised for a time to live of zero or below, or one that is too long."""


class InvalidValue(Exception):
    """Raised for a value that is not JSON."""


class ValueTooLarge(Exception):
    """Raised for a value that is larger than what is kept."""


def check_name(name: str, what: str) -> str:
    """Return the name; raises InvalidName. Of what has several parts only the last may hold a colon."""
    if not isinstance(name, str) or not NAME.fullmatch(name) or len(name) > MAX_NAME_LENGTH:
        raise InvalidName(f"The {what} must be 1 to {MAX_NAME_LENGTH} characters, none of them a control character.")
    return name


def check_resource(name: str) -> str:
    """Return the name of a resource, which holds no colon: `a:b` and `c` would be `a` and `b:c`."""
    if ":" in check_name(name, "resource"):
        raise InvalidName("The resource must not hold a colon; the id may.")
    return name


def check_queue(name: str) -> str:
    """Return the name of a queue, which holds no slash: the API lists queues, and each must fit into its paths."""
    if "/" in check_name(name, "queue"):
        raise InvalidName("The name of a queue must not hold a slash.")
    return name


def milliseconds(seconds: float, *, most: float = MAX_TTL_SECONDS, what: str = "time to live") -> int:
    """Return a time in whole milliseconds, at least one; raises InvalidTTL."""
    if isinstance(seconds, bool) or not isinstance(seconds, int | float):
        raise InvalidTTL(f"The {what} must be a number of seconds.")
    # NaN is in no order.
    if not 0 < seconds <= most:
        raise InvalidTTL(f"The {what} must be above 0 and at most {most:,} seconds.")
    return max(1, math.ceil(seconds * 1000))


def encode(value: Any, *, most: int = MAX_VALUE_BYTES) -> bytes:
    """Return a value as JSON text (RFC 8259) in UTF-8; raises InvalidValue, ValueTooLarge.

    A tuple is written as an array, and comes back as a list. Keys must be texts: Python would write others as texts
    too, so that they came back as something else, or twice.
    """
    try:
        text = json.dumps(value, ensure_ascii=False, allow_nan=False, separators=(",", ":")).encode()
    except (TypeError, ValueError, RecursionError) as error:
        raise InvalidValue(f"The value is not JSON: {error}.") from None
    check_size(text, most=most)
    _check_keys(value)
    return text


def _check_keys(value: Any) -> None:
    """Raise InvalidValue for a dictionary with a key that is no text, in a value that is known to be JSON else."""
    left = [value]
    while left:
        found = left.pop()
        if isinstance(found, dict):
            if not all(isinstance(key, str) for key in found):
                raise InvalidValue("The value is not JSON: keys must be texts.")
            found = found.values()
        elif not isinstance(found, CONTAINERS):
            continue
        left += [one for one in found if isinstance(one, CONTAINERS)]


def check_size(text: bytes, *, most: int = MAX_VALUE_BYTES) -> bytes:
    """Return a value's JSON text; raises ValueTooLarge."""
    if len(text) > most:
        raise ValueTooLarge(f"The value has {len(text):,} bytes of JSON; at most {most:,} are kept.")
    return text
