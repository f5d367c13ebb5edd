"""Another organization's session is not found, whatever is asked of it, and stays as it was."""

from collections.abc import Callable

import pytest

from api.etags import PreconditionFailed
from orgs.authentication import authenticate_key
from sessions_store import hot_paths
from sessions_store.models import Session
from tests.factories import Answer, Caller, create_session
from tests.statements import events_of

CALLS: dict[str, Callable[[Caller, str], Answer]] = {
    "get": lambda caller, path: caller.get(path),
    "known copy": lambda caller, path: caller.get(path, If_None_Match='"1"'),
    "replace": lambda caller, path: caller.put(f"{path}/state", {"stolen": True}),
    "replace if": lambda caller, path: caller.put(f"{path}/state", {"stolen": True}, If_Match='"1"'),
    "replace if not": lambda caller, path: caller.put(f"{path}/state", {"stolen": True}, If_Match='"2"'),
    "patch": lambda caller, path: caller.patch(f"{path}/state", {"stolen": True}),
    "patch if not": lambda caller, path: caller.patch(f"{path}/state", {"stolen": True}, If_Match='"2"'),
    "delete": lambda caller, path: caller.delete(path),
    "delete if not": lambda caller, path: caller.delete(path, If_Match='"2"'),
    "events": lambda caller, path: caller.get(f"{path}/events"),
}


@pytest.mark.parametrize("call", CALLS.values(), ids=CALLS)
def test_an_outsider_finds_no_session(owner: Caller, outsider: Caller, call: Callable[[Caller, str], Answer]) -> None:
    session = create_session(owner, state={"mine": True})

    answer = call(outsider, f"/sessions/{session['id']}")

    assert (answer.status, answer.code) == (404, "not-found")
    assert owner.get(f"/sessions/{session['id']}").json == session
    assert len(events_of(session["id"])) == 1


def test_an_outsider_lists_no_session(owner: Caller, outsider: Caller) -> None:
    create_session(owner)

    assert outsider.get("/sessions").json == {"items": [], "next_cursor": None}


def test_the_hot_get_finds_no_session_of_another_organization(owner: Caller, outsider: Caller) -> None:
    session = Session(id=create_session(owner)["id"])

    with pytest.raises(Session.DoesNotExist):
        hot_paths.get(authenticate_key(outsider.key).organization_id, session.id)


@pytest.mark.parametrize("expected", [None, [1], [2], []])
def test_the_hot_replace_finds_no_session_of_another_organization(
    owner: Caller, outsider: Caller, expected: list[int] | None
) -> None:
    session = create_session(owner)

    with pytest.raises(Session.DoesNotExist):
        hot_paths.replace_state(authenticate_key(outsider.key), Session(id=session["id"]).id, "{}", expected=expected)

    assert owner.get(f"/sessions/{session['id']}").json == session


def test_the_hot_replace_with_no_acceptable_generation_is_refused(owner: Caller) -> None:
    session = create_session(owner)

    with pytest.raises(PreconditionFailed):
        hot_paths.replace_state(authenticate_key(owner.key), Session(id=session["id"]).id, "{}", expected=[])
