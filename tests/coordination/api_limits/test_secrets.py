"""Limits on operations of the test's own: one that declares the limit of secrets, and one that fails."""

import pytest
from pytest_django import Settings

from tests.coordination.api_limits import secrets_urls
from tests.coordination.api_limits.structured import parse_list
from tests.coordination.servers import ValkeyServer
from tests.factories import Caller


@pytest.fixture(autouse=True)
def service(settings: Settings) -> None:
    settings.ROOT_URLCONF = secrets_urls.__name__


def test_an_operation_is_held_to_the_limit_that_it_declares(owner: Caller, settings: Settings) -> None:
    settings.RATE_LIMIT_SECRETS = 2

    answers = [owner.get("/secret") for _ in range(3)]

    assert [answer.status for answer in answers] == [200, 200, 429]
    assert answers[-1].json["violated-policies"] == ["secrets"]


def test_its_calls_count_for_the_key_too(owner: Caller, settings: Settings) -> None:
    settings.RATE_LIMIT_KEY = 10
    [owner.get("/secret") for _ in range(4)]

    found = dict(parse_list(owner.get("/secret").headers["RateLimit"]))

    assert list(found) == ["default", "organization", "secrets"]
    assert found["default"]["r"] == 5


def test_the_answer_to_a_defect_tells_of_limits_too(owner: Caller, settings: Settings) -> None:
    settings.RATE_LIMIT_KEY = 10

    answer = owner.get("/defect")

    assert (answer.status, answer.code) == (500, "internal-error")
    assert dict(parse_list(answer.headers["RateLimit"]))["default"]["r"] == 9


def test_it_is_closed_without_valkey(owner: Caller, own_valkey: ValkeyServer) -> None:
    own_valkey.kill()

    answer = owner.get("/secret")

    assert (answer.status, answer.code) == (503, "rate-limit-unavailable")
    assert answer.headers["Retry-After"] == "1"


def test_it_opens_where_it_is_switched_off(owner: Caller, own_valkey: ValkeyServer, settings: Settings) -> None:
    settings.RATE_LIMIT_SECRETS = 0
    own_valkey.kill()

    assert owner.get("/secret").status == 200
