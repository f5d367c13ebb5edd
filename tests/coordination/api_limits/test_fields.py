"""RateLimit and RateLimit-Policy: Lists of Strings with integer parameters (RFC 9651), as the draft has them."""

from coordination.api_limits.drawing import Drawn
from coordination.api_limits.fields import fields, retry_after, violated
from coordination.api_limits.table import Standing
from tests.coordination.api_limits.structured import parse_list

FREE = Standing("default", 6000, 5990, 0.0, 59.2)
REACHED = Standing("organization", 60_000, 0, 12.1, 60.4)


def test_both_fields_are_lists_of_what_holds() -> None:
    found = dict(fields([(Drawn(4, (FREE,)), 100.0, 3)], 60, 100.5))

    assert parse_list(found["RateLimit-Policy"]) == [("default", {"q": 6000, "w": 60})]
    assert parse_list(found["RateLimit"]) == [("default", {"r": 5993, "t": 59})]


def test_of_a_limit_that_is_reached_t_is_when_one_more_fits() -> None:
    found = dict(fields([(Drawn(0, (FREE, REACHED)), 100.0, 0)], 60, 100.0))

    assert parse_list(found["RateLimit"]) == [("default", {"r": 5990, "t": 60}), ("organization", {"r": 0, "t": 13})]


def test_the_time_to_wait_is_rounded_up_and_goes_down() -> None:
    refused = (Drawn(0, (FREE, REACHED)), 100.0, 0)

    assert [retry_after(refused, now) for now in (100.0, 105.0, 111.9, 120.0)] == [13, 8, 1, 1]


def test_only_limits_that_are_reached_were_met() -> None:
    assert [standing.name for standing in violated((Drawn(0, (FREE, REACHED)), 100.0, 0))] == ["organization"]


def test_limits_of_several_logs_stand_in_one_list() -> None:
    other = Standing("sign-in", 30, 29, 0.0, 60.0)

    found = dict(fields([(Drawn(1, (FREE,)), 100.0, 0), (Drawn(1, (other,)), 100.0, 0)], 60, 100.0))

    assert [name for name, _ in parse_list(found["RateLimit-Policy"])] == ["default", "sign-in"]
