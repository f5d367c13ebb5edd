"""What callers of the API are told of their limits, and what becomes of calls beyond them."""

import time
import uuid
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest
from django.db import connections
from django.test import Client
from pytest_django import Settings

from api.waiting import CALL, WaitingCall
from config.api import api
from config.openapi import operations
from coordination import keys
from coordination.api_limits.table import TABLE
from orgs.models import Organization
from tests import factories
from tests.api.live import serving
from tests.coordination.api_limits.structured import parse_list
from tests.coordination.api_limits.windows import until
from tests.factories import Answer, Caller
from tests.orgs.console import new_address
from tests.statements import audit_of


def of(answer: Answer, field: str) -> dict[str, dict[str, int]]:
    return dict(parse_list(answer.headers[field]))


def remaining(caller: Caller, limit: str = "default") -> int:
    return of(caller.get("/me"), "RateLimit")[limit]["r"]


@pytest.fixture
def few(settings: Settings) -> None:
    """Three calls in ten minutes for a key, five for its organization."""
    settings.RATE_LIMIT_KEY, settings.RATE_LIMIT_ORGANIZATION, settings.RATE_LIMIT_WINDOW_SECONDS = 3, 5, 600


@pytest.fixture
def soon(few: None, settings: Settings) -> None:
    """As few, in a window whose end a test waits for."""
    settings.RATE_LIMIT_WINDOW_SECONDS = 5


def test_an_answer_tells_what_is_left_of_each_limit(owner: Caller, settings: Settings) -> None:
    settings.RATE_LIMIT_KEY, settings.RATE_LIMIT_ORGANIZATION = 50, 100

    answer = owner.get("/me")

    assert of(answer, "RateLimit-Policy") == {"default": {"q": 50, "w": 60}, "organization": {"q": 100, "w": 60}}
    found = of(answer, "RateLimit")
    assert (found["default"]["r"], found["organization"]["r"]) == (49, 99)
    assert 0 < found["default"]["t"] <= 60


@pytest.mark.parametrize(
    ("method", "path", "status"),
    [("GET", f"/tasks/{factories.UNKNOWN_ID}", 404), ("POST", "/tasks", 422), ("GET", "/me?unknown=1", 422)],
    ids=["not-found", "invalid", "unknown-parameter"],
)
def test_so_does_that_of_an_error(owner: Caller, method: str, path: str, status: int) -> None:
    answer = owner.call(method, path, {} if method == "POST" else None)

    assert answer.status == status
    # A query is looked at before the key.
    assert ("RateLimit" in answer.headers) == ("?" not in path)


def test_a_call_that_lacks_the_scope_counts(organization: Organization, few: None) -> None:
    weak = Caller(factories.make_key(organization, scopes=("tasks:read",)).text)

    statuses = [weak.get("/audit").status for _ in range(4)]

    assert statuses == [403, 403, 403, 429]


def test_a_key_that_is_not_known_is_told_nothing() -> None:
    assert "RateLimit" not in Caller("hf_unknown").get("/me").headers


def test_beyond_a_limit_a_call_is_refused_until_it_may_come_again(owner: Caller, soon: None) -> None:
    passed = [owner.get("/me").status for _ in range(3)]
    refused = owner.get("/me")

    wait = int(refused.headers["Retry-After"])

    assert (passed, refused.status, refused.code) == ([200] * 3, 429, "rate-limited")
    assert refused.json["violated-policies"] == ["default"]
    assert of(refused, "RateLimit")["default"] == {"r": 0, "t": wait}
    ends = time.monotonic() + wait
    until(lambda: time.monotonic() >= ends)
    assert owner.get("/me").status == 200


def test_keys_of_an_organization_share_its_limit(organization: Organization, few: None) -> None:
    callers = [Caller(factories.make_key(organization).text) for _ in range(2)]

    answers = [caller.get("/me") for caller in callers * 3]

    assert [answer.status for answer in answers] == [200] * 5 + [429]
    assert answers[-1].json["violated-policies"] == ["organization"]


def test_other_organizations_do_not_share_it(owner: Caller, outsider: Caller, few: None) -> None:
    [owner.get("/me") for _ in range(4)]

    assert outsider.get("/me").status == 200


def test_a_refused_call_does_nothing(owner: Caller, soon: None) -> None:
    [factories.create_session(owner) for _ in range(3)]

    refused = owner.post("/sessions", {}, Idempotency_Key="later")

    assert refused.status == 429
    ends = time.monotonic() + int(refused.headers["Retry-After"])
    until(lambda: time.monotonic() >= ends)
    assert owner.post("/sessions", {}, Idempotency_Key="later").status == 201


def test_a_flood_of_refusals_leaves_nothing_in_the_trail(organization: Organization, owner: Caller, few: None) -> None:
    [owner.get("/me") for _ in range(3)]
    before = len(audit_of(organization))

    statuses = {owner.get("/me").status for _ in range(20)}

    assert statuses == {429}
    assert len(audit_of(organization)) == before


def test_without_limits_nothing_is_told(owner: Caller, settings: Settings) -> None:
    settings.RATE_LIMIT_KEY = settings.RATE_LIMIT_ORGANIZATION = 0

    assert "RateLimit" not in owner.get("/me").headers


def test_one_of_two_limits_may_be_switched_off(owner: Caller, settings: Settings) -> None:
    settings.RATE_LIMIT_KEY = 0

    assert list(of(owner.get("/me"), "RateLimit")) == ["organization"]


def test_a_call_that_is_tried_again_is_counted_once(owner: Caller) -> None:
    before = remaining(owner)
    client = _client_with({CALL: WaitingCall(1, patient=True)})
    answers = [client.get("/api/v1/me", headers={"Authorization": f"Bearer {owner.key}"}) for _ in range(5)]

    assert {answer.status_code for answer in answers} == {200}
    assert "RateLimit" in answers[0].headers
    assert before - remaining(owner) <= 2


def _client_with(environ: dict[str, Any]) -> Any:
    client = Client(**environ)
    client.handler = factories.HANDLER
    return client


def test_the_health_of_the_service_has_no_limit(client: Any) -> None:
    answers = [client.get(path) for path in ("/live", "/ready", "/metrics")]

    assert {"RateLimit" in answer.headers for answer in answers} == {False}


def test_two_processes_of_threads_let_exactly_as_many_pass(
    organization: Organization, tmp_path: Path, settings: Settings
) -> None:
    settings.RATE_LIMIT_KEY = 60
    caller = Caller(factories.make_key(organization).text)

    with serving("web", tmp_path, RATE_LIMIT_KEY="60") as server, server.client(caller.key) as client:

        def call(number: int) -> int:
            try:
                return client.get("/me").status_code if number % 2 else caller.get("/me").status
            finally:
                connections.close_all()

        with ThreadPoolExecutor(8) as threads:
            statuses = list(threads.map(call, range(160)))

    assert (statuses.count(200), statuses.count(429)) == (60, 100)


def test_public_operations_are_limited_by_address(settings: Settings) -> None:
    settings.RATE_LIMIT_SIGN_IN = 2
    network = new_address().removesuffix("::1")
    strangers = [Caller("", {"Authorization": ""}, f"{network}::{number}") for number in range(1, 4)]

    answers = [caller.post("/invitations/look-up", {"token": "hfi_unknown"}) for caller in strangers]

    assert [answer.status for answer in answers] == [404, 404, 429]
    assert answers[-1].json["violated-policies"] == ["sign-in"]


def test_other_addresses_do_not_share_the_limit(settings: Settings) -> None:
    settings.RATE_LIMIT_SIGN_IN = 1
    strangers = [Caller("", {"Authorization": ""}, new_address()) for _ in range(3)]

    statuses = [caller.post("/invitations/look-up", {"token": "hfi_unknown"}).status for caller in strangers]

    assert statuses == [404] * 3


def test_every_limit_that_an_operation_names_is_in_the_table() -> None:
    named = {name for each in operations(api).values() for name in getattr(each.view_func, "limited_by", ())}

    assert named <= set(TABLE)


def test_every_public_operation_has_a_limit() -> None:
    public = {
        name: getattr(each.view_func, "limited_by", ())
        for name, each in operations(api).items()
        if not each.auth_callbacks
    }

    assert public
    assert all(limits == ("sign-in",) for limits in public.values())


def test_no_rate_limit_of_a_tenant_is_that_of_the_api() -> None:
    tenant = uuid.uuid4()

    assert keys.api_limit(tenant, "default", "x").split(":")[1] not in ("ratelimit", "cache", "lock", "queue")
