"""The cache as one program sees it: what is stored is found, for as long as it was to be, and by nobody else."""

import json
import uuid
from typing import Any

import pytest

from coordination import entries, keys, names
from coordination.cache import Cache
from coordination.calls import Call, T
from coordination.connections import Connection
from tests.coordination.caching import until

VALUES = [
    None, True, 0, -1, 2**80, 1.0, 0.1, 1e308, -0.0, "", "\u00fc \U0001f600 \u2028 \x00", [], {}, [[None]],
    {"a": {"b": [1, 2.5, "c"]}, "": None}, '{"fresh_until":1,"value":2}', {"value": '","value":'},
]  # fmt: skip
BAD_NAMES = ["", "a\x00", "a\nb", "\x7f", "\x85", "\u2028", "\ud800", "x" * 201]
BAD_TTLS: list[Any] = [0, -1, -0.0, float("nan"), float("inf"), 30 * 24 * 3600 + 1, True, "5", None, 10**400]


@pytest.fixture
def cache(connection: Connection, tenant: uuid.UUID) -> Cache:
    return Cache(connection, tenant)


@pytest.mark.parametrize("value", VALUES, ids=repr)
def test_a_value_comes_back_as_it_was_stored(cache: Cache, value: Any) -> None:
    assert cache.set("report", "daily", value, 60)

    found = cache.get("report", "daily")

    assert found is not None
    assert (found.value, repr(found.value)) == (value, repr(value))


def test_a_miss_is_told_from_a_cached_null(cache: Cache) -> None:
    cache.set("report", "daily", None, 60)

    found, missed = cache.get("report", "daily"), cache.get("report", "weekly")

    assert found is not None
    assert found.value is None
    assert missed is None


def test_an_entry_says_for_how_long_it_is_fresh(cache: Cache) -> None:
    cache.set("report", "daily", 1, 60, stale_seconds=60)

    found = cache.get("report", "daily")

    assert found is not None
    assert found.fresh
    assert 50 < found.expires_in_seconds <= 60


def test_a_value_is_gone_once_its_time_is_over(cache: Cache) -> None:
    cache.set("report", "daily", 1, 0.05)

    until(lambda: cache.get("report", "daily") is None, 5)

    assert cache.connection.client().exists(keys.cache(cache.organization, "report", "daily")) == 0


def test_a_value_that_may_be_stale_is_found_after_its_time_as_a_stale_one(cache: Cache) -> None:
    cache.set("report", "daily", 1, 0.05, stale_seconds=60)

    until(lambda: (found := cache.get("report", "daily")) is not None and not found.fresh, 5)

    found = cache.get("report", "daily")
    assert found is not None
    assert (found.value, found.fresh, found.expires_in_seconds) == (1, False, 0)


def test_a_later_value_takes_the_place_of_an_earlier_with_its_time(cache: Cache) -> None:
    cache.set("report", "daily", 1, 1000)
    cache.set("report", "daily", 2, 10)

    found = cache.get("report", "daily")

    assert found is not None
    assert found.value == 2
    assert found.expires_in_seconds <= 10


def test_what_is_deleted_is_not_found(cache: Cache) -> None:
    cache.set("report", "daily", 1, 60, stale_seconds=60)

    assert cache.delete("report", "daily")

    assert cache.get("report", "daily") is None


def test_what_is_not_there_may_be_deleted(cache: Cache) -> None:
    assert cache.delete("report", "daily")


def test_a_key_on_the_wire_is_the_documented_pattern_and_holds_json(cache: Cache) -> None:
    cache.set("report", "daily: a/b {c}", {"a": [1.0]}, 60)

    raw = cache.connection.client().get(f"{{{cache.organization}}}:cache:report:daily: a/b {{c}}")

    assert isinstance(raw, bytes)
    assert set(json.loads(raw)) == {"fresh_until", "value"}
    assert raw.endswith(b',"value":{"a":[1.0]}}')


def test_another_organization_sees_a_miss(cache: Cache) -> None:
    cache.set("report", "daily", 1, 60)
    other = Cache(cache.connection, uuid.uuid4())

    seen = other.get("report", "daily")
    other.set("report", "daily", 2, 60)
    other.delete("report", "daily")

    found = cache.get("report", "daily")
    assert seen is None
    assert found is not None
    assert found.value == 1


def test_many_values_are_stored_found_and_deleted_at_once(cache: Cache) -> None:
    values = {f"name {number}": number for number in range(100)}

    assert cache.set_many("report", values, 60)
    found = cache.get_many("report", [*list(values)[:99], "missing"])
    assert cache.delete_many("report", values)

    assert {name: entry.value for name, entry in found.items()} == dict(list(values.items())[:99])
    assert cache.get_many("report", values) == {}


class Counted(Connection):
    """A connection that counts its calls."""

    count = 0

    def run(self, call: Call[T]) -> T:
        self.count += 1
        return super().run(call)


def test_a_batch_takes_one_round_trip(connection: Connection, tenant: uuid.UUID) -> None:
    counted = Counted(connection.client)
    cache = Cache(counted, tenant)
    values = {f"name {number}": number for number in range(100)}

    cache.set_many("report", values, 60)
    cache.get_many("report", values)
    cache.delete_many("report", values)

    assert counted.count == 3


def test_values_too_large_for_one_answer_are_all_found(cache: Cache) -> None:
    large = "x" * (names.MAX_VALUE_BYTES - 2)
    for number in range(20):
        cache.set("report", f"{number}", large, 60)

    found = cache.get_many("report", [f"{number}" for number in range(20)])

    assert [entry.value == large for entry in found.values()] == [True] * 20


def test_more_than_100_names_at_once_are_refused(cache: Cache) -> None:
    wanted = [f"{number}" for number in range(101)]

    with pytest.raises(entries.BatchTooLarge):
        cache.get_many("report", wanted)
    with pytest.raises(entries.BatchTooLarge):
        cache.set_many("report", dict.fromkeys(wanted), 60)
    with pytest.raises(entries.BatchTooLarge):
        cache.delete_many("report", wanted)


def test_values_of_more_than_4_mebibytes_at_once_are_refused_and_none_is_stored(cache: Cache) -> None:
    values = {f"{number}": "x" * 500_000 for number in range(9)}

    with pytest.raises(names.ValueTooLarge):
        cache.set_many("report", values, 60)

    assert cache.get_many("report", values) == {}


def test_a_value_of_512_kibibytes_is_stored_and_one_of_a_byte_more_is_refused(cache: Cache) -> None:
    assert cache.set("report", "daily", "x" * (names.MAX_VALUE_BYTES - 2), 60)

    with pytest.raises(names.ValueTooLarge):
        cache.set("report", "daily", "x" * (names.MAX_VALUE_BYTES - 1), 60)


@pytest.mark.parametrize("value", [float("nan"), float("inf"), b"bytes", {1, 2}, object, "\ud800", {1: 2}], ids=repr)
def test_what_is_not_json_is_refused(cache: Cache, value: Any) -> None:
    with pytest.raises(names.InvalidValue):
        cache.set("report", "daily", value, 60)


@pytest.mark.parametrize("name", BAD_NAMES, ids=ascii)
def test_a_name_that_is_none_is_refused(cache: Cache, name: str) -> None:
    for resource, given in ((name, "daily"), ("report", name)):
        with pytest.raises(names.InvalidName):
            cache.get(resource, given)
        with pytest.raises(names.InvalidName):
            cache.set(resource, given, 1, 60)
        with pytest.raises(names.InvalidName):
            cache.delete(resource, given)
        with pytest.raises(names.InvalidName):
            cache.get_or_compute(resource, given, lambda: 1, ttl=60)


@pytest.mark.parametrize("ttl", BAD_TTLS, ids=lambda ttl: repr(ttl)[:12])
def test_a_time_to_live_that_is_none_is_refused(cache: Cache, ttl: Any) -> None:
    with pytest.raises(names.InvalidTTL):
        cache.set("report", "daily", 1, ttl)
    with pytest.raises(names.InvalidTTL):
        cache.get_or_compute("report", "daily", lambda: 1, ttl=ttl)
    with pytest.raises(names.InvalidTTL):
        cache.get_or_compute("report", "daily", lambda: 1, ttl=1, compute_seconds=ttl)


@pytest.mark.parametrize("seconds", [-1, float("nan"), False, True, "5", None, 30 * 24 * 3600 + 1], ids=repr)
def test_a_time_of_being_stale_that_is_none_is_refused(cache: Cache, seconds: Any) -> None:
    with pytest.raises(names.InvalidTTL):
        cache.set("report", "daily", 1, 60, stale_seconds=seconds)
