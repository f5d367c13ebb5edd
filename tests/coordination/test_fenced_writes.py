"""The protected write: a session or a task refuses a fencing number below one that wrote to it."""

import uuid
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from typing import Any

import pytest
from django.http import HttpRequest
from django.utils import timezone

from api.requests import InvalidHeader
from coordination.fencing import FencingNumberStale, fenced, find_number, most_at
from coordination.locks import EPOCHS_BEGIN, clock_epoch
from orgs import tenancy
from orgs.models import Organization
from sessions_store.models import Session
from tests.factories import Answer, Caller, create_session, submit_task, text_message
from tests.statements import elsewhere, events_of, statements, wait_until_someone_waits

Write = Callable[[Caller, str, dict[str, str]], Answer]
WRITES: dict[str, tuple[str, Write]] = {
    "replaced state": ("sessions", lambda caller, id_, under: caller.put(f"/sessions/{id_}/state", {"a": 1}, **under)),
    "merged state": ("sessions", lambda caller, id_, under: caller.patch(f"/sessions/{id_}/state", {"a": 1}, **under)),
    "deletion": ("sessions", lambda caller, id_, under: caller.delete(f"/sessions/{id_}", **under)),
    "message": ("tasks", lambda caller, id_, under: caller.post(f"/tasks/{id_}/messages", text_message(), **under)),
    "artifact": ("tasks", lambda caller, id_, under: caller.post(f"/tasks/{id_}/artifacts", text_message(), **under)),
    "task state": ("tasks", lambda caller, id_, under: caller.put(f"/tasks/{id_}/state", {"state": "failed"}, **under)),
}
writes = pytest.mark.parametrize("name", WRITES)
MALFORMED = ["0", "-1", "1.5", "abc", "", "9007199254740992", "9007199254740991", "9" * 30, "\u0661", "1,2"]


def _under(number: int | str) -> dict[str, str]:
    return {"Holdfast_Fencing_Number": str(number)}


def _make(caller: Caller, kind: str) -> str:
    made = create_session(caller) if kind == "sessions" else submit_task(caller)
    return str(made["id"])


def _first_write(caller: Caller, kind: str, row: str, number: int) -> Answer:
    """Write to it in a way that leaves every other write possible."""
    if kind == "sessions":
        return caller.put(f"/sessions/{row}/state", {"first": True}, **_under(number))
    return caller.post(f"/tasks/{row}/messages", text_message("first"), **_under(number))


def _seen(caller: Caller, kind: str, row: str) -> Any:
    return caller.get(f"/{kind}/{row}").json


@writes
def test_a_smaller_number_is_refused_and_writes_nothing(owner: Caller, name: str) -> None:
    kind, write = WRITES[name]
    row = _make(owner, kind)
    assert _first_write(owner, kind, row, 8).status < 300
    before, events = _seen(owner, kind, row), events_of(row)

    answer = write(owner, row, _under(7))

    assert (answer.status, answer.code) == (409, "fencing-number-stale")
    assert (_seen(owner, kind, row), events_of(row)) == (before, events)


@writes
@pytest.mark.parametrize("number", [8, 9, most_at(timezone.now())], ids=["the same", "the next", "the last"])
def test_the_same_number_and_a_greater_one_write(owner: Caller, name: str, number: int) -> None:
    kind, write = WRITES[name]
    row = _make(owner, kind)
    assert _first_write(owner, kind, row, 8).status < 300

    answer = write(owner, row, _under(number))

    assert 200 <= answer.status < 300, answer


@writes
def test_a_write_without_a_number_is_not_looked_at(owner: Caller, name: str) -> None:
    kind, write = WRITES[name]
    row = _make(owner, kind)
    assert _first_write(owner, kind, row, 8).status < 300

    answer = write(owner, row, {})

    assert 200 <= answer.status < 300, answer


@writes
@pytest.mark.parametrize("number", MALFORMED, ids=ascii)
def test_what_is_no_number_is_refused(owner: Caller, name: str, number: str) -> None:
    kind, write = WRITES[name]
    row = _make(owner, kind)

    answer = write(owner, row, _under(number))

    assert (answer.status, answer.code) == (400, "invalid-header")


@writes
def test_the_row_of_another_organization_is_not_found(owner: Caller, outsider: Caller, name: str) -> None:
    kind, write = WRITES[name]
    row = _make(owner, kind)
    assert _first_write(owner, kind, row, 8).status < 300

    foreign, missing = write(outsider, row, _under(7)), write(outsider, str(uuid.uuid4()), _under(7))

    assert (foreign.status, foreign.code) == (404, "not-found")
    assert foreign.json | {"request_id": ""} == missing.json | {"request_id": ""}


@writes
def test_a_write_that_is_refused_otherwise_leaves_no_number(owner: Caller, name: str) -> None:
    kind, write = WRITES[name]
    row = _make(owner, kind)

    refused = write(owner, row, {**_under(9), "If_Match": '"999"'})

    assert refused.code == "precondition-failed"
    assert _first_write(owner, kind, row, 8).status < 300


@pytest.mark.parametrize("kind", ["sessions", "tasks"])
def test_a_write_under_a_number_is_one_generation_and_one_event(owner: Caller, kind: str) -> None:
    row = _make(owner, kind)
    before = _seen(owner, kind, row)["generation"]

    _first_write(owner, kind, row, 8)

    assert _seen(owner, kind, row)["generation"] == before + 1
    assert [event["generation"] for event in owner.get(f"/{kind}/{row}/events").json["items"]] == [1, 2]


def test_a_stale_number_is_heard_of_before_a_stale_condition(owner: Caller) -> None:
    row = _make(owner, "sessions")
    _first_write(owner, "sessions", row, 8)

    answer = owner.put(f"/sessions/{row}/state", {}, If_Match='"999"', **_under(7))

    assert answer.code == "fencing-number-stale"


def test_a_refusal_is_not_kept_for_an_idempotency_key(owner: Caller) -> None:
    row, key = _make(owner, "tasks"), {"Idempotency_Key": uuid.uuid4().hex}
    _first_write(owner, "tasks", row, 8)

    refused = owner.post(f"/tasks/{row}/messages", text_message(), **_under(7), **key)
    made = owner.post(f"/tasks/{row}/messages", text_message(), **_under(8), **key)

    assert (refused.code, made.status) == ("fencing-number-stale", 201)


def test_a_greater_number_waits_for_a_smaller_one_that_writes(owner: Caller, organization: Organization) -> None:
    row = _make(owner, "sessions")

    def write(number: int) -> None:
        with fenced(organization.id, Session, uuid.UUID(row), number):
            Session.objects.filter(id=row).update(title=f"of {number}")

    with ThreadPoolExecutor(1) as thread:
        with fenced(organization.id, Session, uuid.UUID(row), 8):
            greater = thread.submit(elsewhere, lambda: write(9))
            wait_until_someone_waits()
            Session.objects.filter(id=row).update(title="of 8")
        greater.result(30)

    assert _seen(owner, "sessions", row)["title"] == "of 9"
    with pytest.raises(FencingNumberStale):
        write(8)


def test_a_write_without_a_number_takes_no_statement_more(owner: Caller) -> None:
    row = _make(owner, "tasks")
    owner.post(f"/tasks/{row}/messages", text_message())

    with statements() as seen:
        owner.post(f"/tasks/{row}/messages", text_message())

    assert len([one for one in seen if "fencing" in one]) == 0
    assert len([one for one in seen if "tasks_append_message" in one]) == 1


def test_the_document_tells_of_the_header_where_it_is_read(owner: Caller) -> None:
    paths = owner.get("/openapi.json").json["paths"]

    told = {
        described["operationId"]
        for methods in paths.values()
        for described in methods.values()
        for parameter in described["parameters"]
        if parameter["name"] == "Holdfast-Fencing-Number"
    }

    assert told == {
        *("replace_state", "merge_state", "delete_session", "append_message", "append_artifact", "change_state")
    }


def test_the_scope_of_a_fenced_write_is_over_with_it(owner: Caller, organization: Organization) -> None:
    row = _make(owner, "sessions")

    with fenced(organization.id, Session, uuid.UUID(row), 3):
        inside = tenancy.current_scope()

    assert inside == ("holdfast_app", str(organization.id))
    assert tenancy.current_scope() is None


def _sent(number: int) -> HttpRequest:
    request = HttpRequest()
    request.META["HTTP_HOLDFAST_FENCING_NUMBER"] = str(number)
    return request


def test_a_number_is_taken_up_to_a_day_before_a_lock_can_have_it() -> None:
    now = EPOCHS_BEGIN + timedelta(days=300)
    epochs_by_tomorrow = 301 * 24 * 3600 * 64
    last = epochs_by_tomorrow * 2**16 + 2**16 - 1

    assert find_number(_sent(last), now=now) == last
    with pytest.raises(InvalidHeader, match="no lock can have yet"):
        find_number(_sent(last + 1), now=now)


def test_a_number_of_the_present_epoch_is_taken() -> None:
    number = clock_epoch(0) * 2**16 + 2**16 - 1

    assert find_number(_sent(number)) == number


def test_a_number_of_the_future_does_not_bar_the_real_ones(owner: Caller) -> None:
    session = _make(owner, "sessions")
    lock = owner.post("/locks/session/ledger/acquire", {"ttl_seconds": 60}).json

    refused = owner.put(f"/sessions/{session}/state", {"a": 1}, **_under(2**53 - 1))
    written = owner.put(f"/sessions/{session}/state", {"a": 2}, **_under(lock["fencing_number"]))

    assert (refused.status, refused.code, written.status) == (400, "invalid-header", 200)
