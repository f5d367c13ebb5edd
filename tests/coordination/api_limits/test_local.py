"""Counting by the process alone: never more than a limit, in bounded memory that nobody can have forgotten."""

import uuid

from hypothesis import given
from hypothesis import strategies as st

from coordination.api_limits.local import PARTS, LocalWindows
from coordination.api_limits.table import Quota
from tests.coordination.api_limits.windows import most_in_a_window, quotas

TENANT = uuid.UUID("018f0000-0000-7000-8000-000000000001")


def key(name: str, most: int = 3) -> list[Quota]:
    return quotas(TENANT, name, of_key=most)


def passes(windows: LocalWindows, limits: list[Quota], now: float) -> bool:
    return windows.spend(limits, 60, now).granted > 0


@given(
    pauses=st.lists(st.floats(0, 20), max_size=200),
    most=st.integers(1, 30),
    began=st.floats(0, 1e6),
)
def test_no_window_has_more_calls_than_the_limit(pauses: list[float], most: int, began: float) -> None:
    windows, limits, now, admitted = LocalWindows(), key("a", most), began, []
    for pause in pauses:
        now += pause
        if passes(windows, limits, now):
            admitted.append(now)

    assert most_in_a_window(admitted, 60) <= most


def test_a_call_passes_once_its_delay_is_over() -> None:
    windows = LocalWindows()
    [passes(windows, key("a"), 1000.0 + second) for second in range(3)]
    refused = windows.spend(key("a"), 60, 1003.0)

    assert not refused.granted
    assert passes(windows, key("a"), 1003.0 + refused.standings[0].delay)


def test_a_call_beyond_one_limit_spends_nothing_of_the_other() -> None:
    windows, both = LocalWindows(), quotas(TENANT, "a", of_key=1, of_organization=9)
    [windows.spend(both, 60, 1000.0) for _ in range(5)]

    found = windows.spend(quotas(TENANT, of_organization=9), 60, 1000.0)

    assert found.standings[0].remaining == 7


def test_a_key_has_few_entries_however_many_calls_it_makes() -> None:
    windows, limits = LocalWindows(), key("a", 1_000_000)
    for call in range(20_000):
        passes(windows, limits, 1000.0 + call * 0.01)

    [log] = windows._logs.values()
    assert len(log.entries) <= PARTS + 1


def test_other_keys_do_not_have_ones_own_forgotten() -> None:
    windows = LocalWindows(most_keys=10)
    for _ in range(3):
        passes(windows, key("mine"), 1000.0)
    for number in range(100):
        passes(windows, key(f"other-{number}"), 1001.0)

    assert not passes(windows, key("mine"), 1002.0)
    assert len(windows._logs) == 10


def test_keys_without_room_share_one_limit() -> None:
    windows = LocalWindows(most_keys=1)
    passes(windows, key("first"), 1000.0)

    passed = [passes(windows, key(f"other-{number}"), 1000.0) for number in range(10)]

    assert passed.count(True) == 3


def test_a_key_of_which_nothing_counts_any_more_makes_room() -> None:
    windows = LocalWindows(most_keys=1)
    passes(windows, key("first"), 1000.0)

    passed = [passes(windows, key("second"), 1062.0) for _ in range(5)]

    assert passed.count(True) == 3
    assert list(windows._logs) == [key("second")[0].key]
