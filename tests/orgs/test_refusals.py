"""Refusals that repeat are counted rather than written one by one."""

import uuid

import pytest

from orgs import gate, keys
from orgs.models import Organization
from orgs.refusals import SECONDS, Refusals
from orgs.services.api_keys import MintedKey
from tests import factories
from tests.factories import Answer, Caller
from tests.statements import at_once, audit_of, statements


class Clock:
    """A clock that a test moves."""

    def __init__(self) -> None:
        self.now = 0.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    """The clock of the gate's refusals."""
    clock = Clock()
    monkeypatch.setattr(gate, "refusals", Refusals(clock=clock))
    return clock


def _forge(minted: MintedKey, path: str = "/tasks") -> Answer:
    body = f"hf_{minted.row.key_id}_{'x' * 32}"
    return Caller(body + keys.checksum(body)).get(path)


def _refused(organization: Organization) -> list[dict[str, object]]:
    return [entry["detail"] for entry in audit_of(organization) if entry["action"] == "access.refused"]


def test_forged_secrets_of_a_known_key_write_one_row_a_minute(organization: Organization, clock: Clock) -> None:
    minted = factories.make_key(organization)

    answers = [_forge(minted, path) for path in ("/tasks", "/sessions", "/tasks", "/me")]

    assert {(answer.status, answer.code) for answer in answers} == {(401, "unauthenticated")}
    assert _refused(organization) == [{"method": "GET", "path": "/api/v1/tasks", "reason": "The API key is not known."}]


def test_a_refusal_that_is_counted_writes_nothing(organization: Organization, clock: Clock) -> None:
    minted = factories.make_key(organization)
    _forge(minted)

    with statements() as sent:
        _forge(minted)

    assert [sql for sql in sent if "orgs_find_key" not in sql] == []


def test_after_a_minute_the_next_row_tells_how_many_were_not_written(organization: Organization, clock: Clock) -> None:
    minted = factories.make_key(organization)
    for _ in range(4):
        _forge(minted)

    clock.now += SECONDS
    _forge(minted)
    clock.now += SECONDS
    _forge(minted)

    assert [detail.get("repeats") for detail in _refused(organization)] == [None, 3, None]


def test_each_key_and_each_reason_has_rows_of_its_own(organization: Organization, clock: Clock) -> None:
    minted = factories.make_key(organization, scopes=("agents:read",))
    other = factories.make_key(organization, scopes=("agents:read",))

    _forge(minted)
    _forge(other)
    for path in ("/tasks", "/tasks", "/sessions"):
        Caller(minted.text).get(path)

    reasons = [detail["reason"] for detail in _refused(organization)]
    assert reasons == ["The API key is not known."] * 2 + ["lacks tasks:read", "lacks sessions:read"]


def test_a_key_that_was_admitted_leaves_a_row_for_each_thing_that_it_was_refused(
    organization: Organization, clock: Clock
) -> None:
    caller = Caller(factories.make_key(organization, scopes=("agents:read",)).text)

    for path in ("/tasks", "/contexts", "/tasks"):
        caller.get(path)

    assert [detail["path"] for detail in _refused(organization)] == ["/api/v1/tasks", "/api/v1/contexts"]


@pytest.mark.parametrize("path", ["/tasks/a%00b", "/tasks/%ED%A0%80", "/tasks/%ff"])
def test_no_path_keeps_a_refusal_out_of_the_trail(organization: Organization, clock: Clock, path: str) -> None:
    minted = factories.make_key(organization, scopes=("agents:read",))
    artifact = f"/tasks/{uuid.uuid4()}/artifacts/{path.rpartition('/')[2]}"

    answers = [_forge(minted, artifact), Caller(minted.text).get(artifact)]

    assert [answer.status for answer in answers] == [401, 403]
    assert len(_refused(organization)) == 2


def test_refusals_of_the_operation_itself_are_counted_too(organization: Organization, clock: Clock) -> None:
    caller = Caller(factories.make_key(organization, scopes=("api-keys:write",)).text)

    for _ in range(3):
        caller.post("/api-keys", {"name": "more", "scopes": ["tasks:admin"]})

    assert len(_refused(organization)) == 1


def test_the_first_of_a_kind_is_written_and_those_within_the_minute_are_not() -> None:
    clock = Clock()
    refusals = Refusals(clock=clock)

    counted = [refusals.count("a"), refusals.count("a"), refusals.count("b")]
    clock.now = SECONDS - 0.001
    counted.append(refusals.count("a"))
    clock.now = SECONDS
    counted.append(refusals.count("a"))

    assert counted == [0, None, 0, None, 2]


def test_what_is_remembered_stays_within_its_bound_and_the_oldest_goes_first() -> None:
    clock = Clock()
    refusals = Refusals(clock=clock, most=2)
    refusals.count("first")
    refusals.count("second")
    clock.now = SECONDS
    refusals.count("first")

    refusals.count("third")

    assert len(refusals._noted) == 2
    assert [refusals.count("first"), refusals.count("third")] == [None, None]


def test_refusals_at_the_same_moment_are_all_counted() -> None:
    clock = Clock()
    refusals = Refusals(clock=clock)

    def knock() -> int:
        return sum(refusals.count("a") is not None for _ in range(500))

    written = at_once(*[knock] * 4)

    clock.now = SECONDS
    assert sum(one for one in written if isinstance(one, int)) == 1
    assert refusals.count("a") == 1999
