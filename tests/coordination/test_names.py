"""What values and names may be, for all of coordination."""

from collections.abc import Callable
from enum import IntEnum
from typing import Any

import pytest

from coordination.names import InvalidName, InvalidValue, ValueTooLarge, check_queue, encode


class Number(IntEnum):
    ONE = 1


NO_KEYS = [1, 1.5, True, None, Number.ONE, (1, 2)]
PLACES: dict[str, Callable[[Any], Any]] = {
    "top": lambda one: one,
    "in": lambda one: [1, one],
    "deep": lambda one: {"a": {"b": (one,)}},
}


@pytest.mark.parametrize("key", NO_KEYS, ids=repr)
@pytest.mark.parametrize("place", PLACES)
def test_a_key_that_is_no_text_is_refused(key: Any, place: str) -> None:
    with pytest.raises(InvalidValue, match="not JSON"):
        encode(PLACES[place]({"a": 1, key: 2}))


def test_keys_that_would_be_one_are_refused() -> None:
    with pytest.raises(InvalidValue, match="keys must be texts"):
        encode({1: "a", "1": "b"})


@pytest.mark.parametrize(
    ("value", "text"),
    [
        ({"a": {"": [{}, ()]}}, b'{"a":{"":[{},[]]}}'),
        ((1, (2, 3)), b"[1,[2,3]]"),
        ("\u00e9", '"\u00e9"'.encode()),
        ({"a": Number.ONE}, b'{"a":1}'),
    ],
    ids=["nested", "tuples", "text", "enum"],
)
def test_what_is_json_is_written_as_such(value: Any, text: bytes) -> None:
    assert encode(value) == text


def test_a_value_that_holds_itself_is_refused() -> None:
    value: list[Any] = []
    value.append(value)

    with pytest.raises(InvalidValue):
        encode(value)


@pytest.mark.parametrize("value", [{"a": float("nan")}, [float("-inf")], {"a": b"b"}, 10**5000], ids=range(4))
def test_what_json_has_not_is_refused_nested_too(value: Any) -> None:
    with pytest.raises(InvalidValue):
        encode(value)


def test_a_value_too_large_is_told_as_such_whatever_its_keys() -> None:
    with pytest.raises(ValueTooLarge):
        encode({1: "x" * 100}, most=50)


@pytest.mark.parametrize("name", ["a/b", "/", "mail/"])
def test_the_name_of_a_queue_holds_no_slash(name: str) -> None:
    with pytest.raises(InvalidName, match="slash"):
        check_queue(name)
