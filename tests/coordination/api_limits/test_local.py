"""Counting by the process alone: never more than a limit, in bounded memory that nobody can have forgotten."""

import uuid
from dataclasses import replace

from hypothesis import given
from hypothesis import strategies as st

from coordination.api_limits.local import PARTS, SHARED, LocalWindows
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

    [log] = windows._limits["default"].logs.values()
    assert len(log.times) <= PARTS + 1


def test_other_keys_do_not_have_ones_own_forgotten() -> None:
    windows = LocalWindows(most_keys=10)
    for _ in range(3):
        passes(windows, key("mine"), 1000.0)
    for number in range(100):
        passes(windows, key(f"other-{number}"), 1001.0)

    assert not passes(windows, key("mine"), 1002.0)
    assert len(windows._limits["default"].logs) == 10


def full(most: int = 3, now: float = 1000.0) -> LocalWindows:
    """Return windows that have no room for a further key."""
    windows = LocalWindows(most_keys=1)
    passes(windows, key("first", most), now)
    return windows


def sharing(windows: LocalWindows, count: int, most: int = 3) -> list[list[Quota]]:
    """Return so many keys without room that share one log."""
    table = windows._limits["default"]
    names = (f"other-{number}" for number in range(10_000))
    found = [each for name in names if table._place((each := key(name, most))[0].key) == 0]
    return found[:count]


def test_keys_without_room_that_share_a_log_share_one_limit() -> None:
    windows = full()

    passed = [passes(windows, other, 1000.0) for other in sharing(windows, 10)]

    assert passed.count(True) == 3


def test_a_key_without_room_leaves_most_others_theirs() -> None:
    windows = full()
    for _ in range(5):
        passes(windows, key("busy"), 1000.0)

    passed = [passes(windows, key(f"other-{number}"), 1000.0) for number in range(30)]

    assert passed.count(True) >= 25


def test_logs_of_keys_without_room_are_bounded() -> None:
    windows = full()
    for number in range(5000):
        passes(windows, key(f"other-{number}"), 1000.0)

    table = windows._limits["default"]
    assert (len(table.logs), len(table.shared)) == (1, SHARED)


def test_a_small_limit_is_not_used_up_by_those_that_share_its_log() -> None:
    windows = full()
    busy, small = sharing(windows, 2)
    [passes(windows, [replace(busy[0], most=100)], 1000.0) for _ in range(50)]

    assert passes(windows, [replace(small[0], most=5)], 1000.0)


def test_a_key_alone_in_a_shared_log_is_held_to_its_own_limit() -> None:
    windows = full()

    passed = [passes(windows, key("small", 5), 1000.0) for _ in range(10)]

    assert passed.count(True) == 5


def test_a_key_that_gets_room_keeps_what_it_has_spent() -> None:
    windows = full()
    [passes(windows, key("second"), 1030.0) for _ in range(5)]

    passed = [passes(windows, key("second"), 1062.0) for _ in range(5)]

    assert key("second")[0].key in windows._limits["default"].logs
    assert passed.count(True) == 0


def test_a_key_that_shares_a_log_gets_none_of_its_own_while_that_counts() -> None:
    windows = full()
    several = sharing(windows, 3)
    [passes(windows, each, 1030.0) for each in several]

    passed = [passes(windows, each, 1062.0) for each in several]

    assert passed.count(True) == 0


def test_very_many_keys_leave_organizations_their_logs() -> None:
    windows = LocalWindows(most_keys=10)
    for number in range(1000):
        windows.spend(quotas(TENANT, f"key-{number}", of_key=5, of_organization=100), 60, 1000.0)
    other = uuid.UUID("018f0000-0000-7000-8000-000000000002")

    found = windows.spend(quotas(other, of_organization=3), 60, 1000.0)

    assert found.standings[0].remaining == 2
    assert len(windows._limits["organization"].logs) == 2


def test_refused_calls_take_no_room() -> None:
    windows = LocalWindows(most_keys=10)
    for number in range(50):
        windows.spend(quotas(TENANT, f"key-{number}", of_key=5, of_organization=3), 60, 1000.0)

    assert len(windows._limits["default"].logs) == 3


def test_a_key_of_which_nothing_counts_any_more_makes_room() -> None:
    windows = LocalWindows(most_keys=1)
    passes(windows, key("first"), 1000.0)

    passed = [passes(windows, key("second"), 1062.0) for _ in range(5)]

    assert passed.count(True) == 3
    assert list(windows._limits["default"].logs) == [key("second")[0].key]
