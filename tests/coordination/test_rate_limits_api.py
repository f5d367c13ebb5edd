from typing import Any

import pytest
import redis
from redis.backoff import NoBackoff
from redis.retry import Retry

from coordination.rate_limits import MAX_REQUESTS, RateLimits
from coordination.shared import connection as shared
from orgs.models import Organization
from tests import factories
from tests.coordination.servers import free_port
from tests.factories import Caller

MINUTE: dict[str, Any] = {"max_requests": 3, "window_seconds": 60}
QUERY = "max_requests=3&window_seconds=60"
LIMIT = "/rate-limits/model/large"


def test_a_check_that_fits_is_answered_with_what_remains(owner: Caller) -> None:
    answer = owner.post(f"{LIMIT}/check", MINUTE)

    assert answer.status == 200
    assert answer.json == {
        "allowed": True,
        "remaining": 2,
        "retry_after": 0.0,
        "reset": 60.0,
        "limit": 3,
        "window": 60.0,
    }


def test_a_check_that_does_not_fit_is_an_answer_and_no_error(owner: Caller) -> None:
    owner.post(f"{LIMIT}/check", {**MINUTE, "cost": 3})

    answer = owner.post(f"{LIMIT}/check", MINUTE)

    assert (answer.status, answer.json["allowed"], answer.json["remaining"]) == (200, False, 0)
    assert 0 < answer.json["retry_after"] <= 60
    assert "Retry-After" not in answer.headers


def test_a_peek_spends_nothing(owner: Caller) -> None:
    owner.post(f"{LIMIT}/check", MINUTE)

    answers = [owner.get(f"{LIMIT}?{QUERY}&cost=2") for _ in range(3)]

    assert [(one.status, one.json["allowed"], one.json["remaining"]) for one in answers] == [(200, True, 2)] * 3


def test_a_reset_gives_everything_back(owner: Caller) -> None:
    owner.post(f"{LIMIT}/check", {**MINUTE, "cost": 3})

    answer = owner.delete(LIMIT)

    assert (answer.status, answer.raw) == (204, b"")
    assert owner.get(f"{LIMIT}?{QUERY}").json["remaining"] == 3


def test_a_reset_of_what_nothing_was_spent_of_is_one_too(owner: Caller) -> None:
    assert owner.delete(LIMIT).status == 204


def test_the_limits_of_an_outsider_are_their_own(owner: Caller, outsider: Caller) -> None:
    owner.post(f"{LIMIT}/check", {**MINUTE, "cost": 3})
    outsider.delete(LIMIT)

    theirs, ours = outsider.post(f"{LIMIT}/check", MINUTE), owner.post(f"{LIMIT}/check", MINUTE)

    assert (theirs.json["remaining"], ours.json["allowed"]) == (2, False)


def test_the_api_and_python_share_limits(owner: Caller, organization: Organization) -> None:
    owner.post(f"{LIMIT}/check", MINUTE)

    found = RateLimits(shared, organization.id).check("model", "large", **MINUTE)

    assert found.remaining == 1


def test_who_is_limited_may_spend_but_not_reset(organization: Organization) -> None:
    worker = Caller(factories.make_key(organization, scopes=("rate-limits:write",)).text)
    worker.post(f"{LIMIT}/check", MINUTE)

    answer = worker.delete(LIMIT)

    assert (answer.status, answer.code) == (403, "scope-missing")


@pytest.mark.parametrize("key", ["once", None], ids=["with-a-key", "without"])
def test_a_check_is_repeated_safely_with_an_idempotency_key(owner: Caller, key: str | None) -> None:
    headers = {} if key is None else {"Idempotency-Key": key}

    answers = [owner.post(f"{LIMIT}/check", MINUTE, **headers) for _ in range(2)]

    assert [one.json["remaining"] for one in answers] == ([2, 1] if key is None else [2, 2])


REFUSED = [
    ("max_requests", 0, "invalid-limit"),
    ("max_requests", -1, "invalid-limit"),
    ("max_requests", MAX_REQUESTS + 1, "invalid-limit"),
    ("max_requests", 10**400, "invalid-limit"),
    ("window_seconds", 0, "invalid-window"),
    ("window_seconds", -0.5, "invalid-window"),
    ("window_seconds", 0.0001, "invalid-window"),
    ("window_seconds", 86_401, "invalid-window"),
    ("window_seconds", 1e308, "invalid-window"),
    ("window_seconds", -(10**400), "invalid-window"),
    ("cost", 0, "invalid-cost"),
    ("cost", -1, "invalid-cost"),
    ("cost", 4, "invalid-cost"),
    ("cost", 10**400, "invalid-cost"),
]
IDS = [f"{name}-{code}-{number}" for number, (name, _, code) in enumerate(REFUSED)]


@pytest.mark.parametrize(("name", "value", "code"), REFUSED, ids=IDS)
def test_a_number_that_none_can_be_is_refused_by_its_code(owner: Caller, name: str, value: Any, code: str) -> None:
    answer = owner.post(f"{LIMIT}/check", {**MINUTE, name: value})

    assert (answer.status, answer.code) == (400, code)


@pytest.mark.parametrize(("name", "value", "code"), REFUSED, ids=IDS)
def test_a_number_that_none_can_be_is_refused_in_a_query_too(owner: Caller, name: str, value: Any, code: str) -> None:
    query = "&".join(f"{key}={number}" for key, number in {**MINUTE, name: value}.items())

    answer = owner.get(f"{LIMIT}?{query}".replace("e+", "e%2B"))

    assert (answer.status, answer.code) == (400, code)


@pytest.mark.parametrize(
    "query",
    [
        "max_requests=3", "window_seconds=60", f"{QUERY}&cost=", f"{QUERY}&cost=1.5", f"{QUERY}&cost=true",
        "max_requests=1_0&window_seconds=60", "max_requests=3&window_seconds=NaN", "max_requests=3&window_seconds=inf",
        "max_requests=3&window_seconds=%D9%A5", "max_requests=3.0&window_seconds=5",
        f"max_requests={'9' * 5000}&window_seconds=5",
    ],
    ids=range(11),
)  # fmt: skip
def test_a_query_that_is_no_number_is_invalid(owner: Caller, query: str) -> None:
    answer = owner.get(f"{LIMIT}?{query}")

    assert (answer.status, answer.code) == (422, "invalid")


@pytest.mark.parametrize("part", ["%00", "a%00b", "a%0Ab", "%7F", "x" * 201, "%E2%80%A8"], ids=range(6))
@pytest.mark.parametrize("path", ["/rate-limits/{}/large", "/rate-limits/model/{}"], ids=["resource", "name"])
def test_a_name_that_none_can_be_is_refused(owner: Caller, path: str, part: str) -> None:
    named = path.format(part)

    answers = [owner.post(f"{named}/check", MINUTE), owner.get(f"{named}?{QUERY}"), owner.delete(named)]

    assert [(one.status, one.code) for one in answers] == [(400, "invalid-name")] * 3


def test_a_resource_holds_no_colon_and_a_name_may(owner: Caller) -> None:
    resource, name = owner.post("/rate-limits/a:b/c/check", MINUTE), owner.post("/rate-limits/a/b:c/check", MINUTE)

    assert ((resource.status, resource.code), name.status) == ((400, "invalid-name"), 200)


@pytest.mark.parametrize("part", ["%F0%9F%98%80", "{task_id}", "a%25b", "%7B-%7D", "*"], ids=range(5))
def test_other_names_are_taken(owner: Caller, part: str) -> None:
    owner.post(f"/rate-limits/{part}/{part}/check", MINUTE)

    assert owner.get(f"/rate-limits/{part}/{part}?{QUERY}").json["remaining"] == 2


def test_without_valkey_nothing_is_known(owner: Caller, monkeypatch: pytest.MonkeyPatch) -> None:
    nowhere = redis.Redis(port=free_port(), retry=Retry(NoBackoff(), 0))
    owner.get("/me")
    monkeypatch.setattr(shared, "client", lambda: nowhere)

    answers = [owner.post(f"{LIMIT}/check", MINUTE), owner.get(f"{LIMIT}?{QUERY}"), owner.delete(LIMIT)]

    assert [(one.status, one.code) for one in answers] == [(503, "valkey-unavailable")] * 3
