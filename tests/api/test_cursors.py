"""Pages and the cursors between them."""

import base64
import json
from typing import Any

import pytest
from django.core.signing import Signer
from pytest_django import Settings

from api.cursors import InvalidCursor, Listing
from orgs.models import Organization
from tests import factories
from tests.api.scene import Operation, Scene, operations
from tests.api.wire import send
from tests.factories import Caller

LISTINGS = [operation for operation in operations() if "cursor" in operation.query]


def _next(caller: Caller, path: str) -> str:
    cursor: str = caller.get(f"{path}?limit=1").json["next_cursor"]
    assert cursor
    return cursor


def _tasks(caller: Caller, count: int) -> list[str]:
    return [factories.submit_task(caller)["id"] for _ in range(count)]


def _walk(caller: Caller, path: str, limit: int) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = []
    cursor = None
    while True:
        page = caller.get(f"{path}?limit={limit}" + (f"&cursor={cursor}" if cursor else "")).json
        found += page["items"]
        cursor = page["next_cursor"]
        if cursor is None:
            return found
        assert len(page["items"]) == limit


@pytest.mark.parametrize("limit", [1, 2, 3, 4, 100])
def test_pages_hold_every_row_once_whatever_their_size(owner: Caller, limit: int) -> None:
    made = _tasks(owner, 4)

    assert [task["id"] for task in _walk(owner, "/tasks", limit)] == made[::-1]


def test_the_last_full_page_has_no_cursor(owner: Caller) -> None:
    _tasks(owner, 2)

    assert owner.get("/tasks?limit=2").json["next_cursor"] is None


def test_an_empty_listing_is_one_empty_page(owner: Caller) -> None:
    assert owner.get("/tasks").json == {"items": [], "next_cursor": None}


def test_rows_added_meanwhile_neither_repeat_nor_hide_older_ones(owner: Caller) -> None:
    made = _tasks(owner, 4)
    first = owner.get("/tasks?limit=2").json
    _tasks(owner, 3)

    second = owner.get(f"/tasks?limit=2&cursor={first['next_cursor']}").json

    assert [task["id"] for task in first["items"] + second["items"]] == made[::-1]
    assert second["next_cursor"] is None


def test_rows_removed_meanwhile_hide_no_other(owner: Caller) -> None:
    made = [factories.create_session(owner)["id"] for _ in range(4)]
    first = owner.get("/sessions?limit=2").json
    owner.delete(f"/sessions/{made[2]}")

    second = owner.get(f"/sessions?limit=2&cursor={first['next_cursor']}").json

    assert [session["id"] for session in second["items"]] == [made[1], made[0]]


def test_messages_appended_meanwhile_come_on_later_pages(owner: Caller) -> None:
    (task,) = _tasks(owner, 1)
    path = f"/tasks/{task}/messages"
    for _ in range(2):
        owner.post(path, factories.text_message())
    first = owner.get(f"{path}?limit=2").json
    for _ in range(2):
        owner.post(path, factories.text_message())

    rest = owner.get(f"{path}?cursor={first['next_cursor']}").json

    assert [message["number"] for message in first["items"] + rest["items"]] == [1, 2, 3, 4, 5]


HOSTILE = ["", "a", ".", "a.b", "%00", "W10.W10", "null", "x" * 500, "%F0%9F%98%80", "eyJh.eyJi.c2ln", "..", "-" * 43]


@pytest.mark.parametrize("operation", LISTINGS, ids=lambda operation: operation.name)
def test_a_cursor_that_the_service_did_not_make_is_refused(scene: Scene, operation: Operation) -> None:
    target = operation.at(scene.ids)

    answers = {text: send("GET", f"{target}?cursor={text}", key=scene.owner.key) for text in HOSTILE}

    codes = {text: (answer.status, answer.code) for text, answer in answers.items()}
    assert codes == dict.fromkeys(HOSTILE, (422, "invalid-cursor")) | {"%00": (422, "invalid-parameter")}


def test_an_altered_cursor_is_refused(owner: Caller) -> None:
    _tasks(owner, 2)
    cursor = _next(owner, "/tasks")

    for place in range(len(cursor)):
        letter = "A" if cursor[place] != "A" else "B"
        altered = cursor[:place] + letter + cursor[place + 1 :]
        assert owner.get(f"/tasks?cursor={altered}").code == "invalid-cursor", place


def test_a_cursor_of_another_listing_is_refused(owner: Caller) -> None:
    _tasks(owner, 2)

    answer = owner.get(f"/contexts?cursor={_next(owner, '/tasks')}")

    assert (answer.status, answer.code) == (422, "invalid-cursor")


def test_a_cursor_of_another_subject_is_refused(owner: Caller) -> None:
    one, other = _tasks(owner, 2)
    for task in (one, other):
        owner.post(f"/tasks/{task}/messages", factories.text_message())

    answer = owner.get(f"/tasks/{other}/messages?cursor={_next(owner, f'/tasks/{one}/messages')}")

    assert (answer.status, answer.code) == (422, "invalid-cursor")


def test_a_cursor_of_another_organization_is_refused(owner: Caller, outsider: Caller) -> None:
    _tasks(owner, 2)

    answer = outsider.get(f"/tasks?cursor={_next(owner, '/tasks')}")

    assert (answer.status, answer.code) == (422, "invalid-cursor")


@pytest.mark.parametrize("query", ["state=submitted", "context_id={context}", "agent_id={context}"])
def test_a_cursor_under_other_filters_is_refused(owner: Caller, query: str) -> None:
    _tasks(owner, 2)
    context = owner.get("/tasks").json["items"][0]["context_id"]

    answer = owner.get(f"/tasks?{query.format(context=context)}&cursor={_next(owner, '/tasks')}")

    assert (answer.status, answer.code) == (422, "invalid-cursor")


def test_filters_given_in_each_others_place_make_other_cursors(owner: Caller) -> None:
    context = factories.submit_task(owner)["context_id"]
    factories.submit_task(owner, context_id=context)
    cursor = owner.get(f"/tasks?context_id={context}&limit=1").json["next_cursor"]

    answer = owner.get(f"/tasks?agent_id={context}&cursor={cursor}")

    assert (answer.status, answer.code) == (422, "invalid-cursor")


def test_another_limit_may_follow_a_cursor(owner: Caller) -> None:
    made = _tasks(owner, 4)

    answer = owner.get(f"/tasks?limit=50&cursor={_next(owner, '/tasks')}")

    assert [task["id"] for task in answer.json["items"]] == made[2::-1]


def test_a_cursor_signed_for_another_purpose_is_refused(organization: Organization) -> None:
    listing = Listing("tasks", organization.id)
    payload = listing.encode("x").split(".")[0]

    with pytest.raises(InvalidCursor):
        listing.decode(Signer(salt="another", sep=".").sign(payload))


def test_a_cursor_outlives_the_rotation_of_the_secret_key(organization: Organization, settings: Settings) -> None:
    listing = Listing("tasks", organization.id)
    cursor = listing.encode("position")

    settings.SECRET_KEY, settings.SECRET_KEY_FALLBACKS = "a new and quite different key 0123", [settings.SECRET_KEY]

    assert listing.decode(cursor) == "position"


def test_a_cursor_of_a_forgotten_secret_key_is_refused(organization: Organization, settings: Settings) -> None:
    listing = Listing("tasks", organization.id)
    cursor = listing.encode("position")

    settings.SECRET_KEY = "a new and quite different key 0123"

    with pytest.raises(InvalidCursor):
        listing.decode(cursor)


def test_a_cursor_says_nothing_of_the_organization(organization: Organization) -> None:
    payload = Listing("tasks", organization.id, ("filter-text",)).encode(7).split(".")[0]
    shown = json.loads(base64.urlsafe_b64decode(payload + "=" * (-len(payload) % 4)))

    assert shown[1:] == [7]
    assert organization.id.hex not in str(shown).replace("-", "")
