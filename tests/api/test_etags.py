"""Conditional requests (RFC 9110 §13): the entity tag is the generation."""

from typing import Any

import pytest
from django.http import HttpRequest

from api import etags
from api.requests import InvalidHeader
from sessions_store import services
from tests import factories
from tests.api.scene import Scene
from tests.factories import Caller


def _request(**headers: str) -> HttpRequest:
    request = HttpRequest()
    request.META = {f"HTTP_{name.upper()}": value for name, value in headers.items()}
    return request


@pytest.mark.parametrize(
    ("header", "expected"),
    [
        ('"1"', [1]),
        ('"1", "2"', [1, 2]),
        ('"1","2"', [1, 2]),
        (' "1" ,\t"2" ', [1, 2]),
        (',"1",,"2",', [1, 2]),
        ('W/"1"', []),
        ('W/"1", "2"', [2]),
        ('"a,b", "3"', [3]),
        ('"abc"', []),
        ('""', []),
        ('"-1"', []),
        ('"9223372036854775807"', [2**63 - 1]),
        ('"9223372036854775808"', []),
        (f'"{"9" * 5000}"', []),
        ('"\u00b2"', []),
        ("*", None),
        (" * ", None),
    ],
)
def test_if_match_names_the_generations_that_will_do(header: str, expected: list[int] | None) -> None:
    assert etags.accepted_generations(_request(If_Match=header)) == expected


MALFORMED = ["", " ", "1", '"1', '1"', '"1" "2"', "W/1", 'w/"1"', '*, "1"', '"1", *', '"a b"', '"\x7f"', ",", '"1"x']


@pytest.mark.parametrize("header", MALFORMED)
def test_if_match_of_another_form_is_refused(header: str) -> None:
    with pytest.raises(InvalidHeader):
        etags.accepted_generations(_request(If_Match=header))


def test_a_long_list_of_tags_is_read_in_one_pass() -> None:
    header = ", ".join(f'"{number}"' for number in range(20_000)) + " " * 50_000

    assert etags.accepted_generations(_request(If_Match=header)) == list(range(20_000))


@pytest.mark.parametrize("header", ['"1"', 'W/"1"', '"0", W/"1"', "*", '"a,b","1"'])
def test_a_known_copy_is_answered_304(owner: Caller, header: str) -> None:
    session = factories.create_session(owner)

    answer = owner.get(f"/sessions/{session['id']}", If_None_Match=header)

    assert (answer.status, answer.raw) == (304, b"")
    assert answer.headers["ETag"] == '"1"'


@pytest.mark.parametrize("header", ['"2"', 'W/"0"', '"01"', '""'])
def test_another_copy_is_answered_in_full(owner: Caller, header: str) -> None:
    session = factories.create_session(owner)

    answer = owner.get(f"/sessions/{session['id']}", If_None_Match=header)

    assert (answer.status, answer.json["id"]) == (200, session["id"])


def test_a_task_that_is_known_is_answered_304(scene: Scene) -> None:
    path = f"/tasks/{scene.ids['task_id']}"
    known = scene.owner.get(path).headers["ETag"]

    assert scene.owner.get(path, If_None_Match=known).status == 304


@pytest.mark.parametrize("kind", ["session", "task", "agent", "context"])
def test_if_none_match_of_another_form_is_refused(scene: Scene, kind: str) -> None:
    path = f"/{kind}s/{scene.ids[f'{kind}_id']}"

    answers = {header: scene.owner.get(path, If_None_Match=header) for header in MALFORMED}

    refused = {header: (answer.status, answer.code) for header, answer in answers.items()}
    assert refused == dict.fromkeys(MALFORMED, (400, "invalid-header"))


CONDITIONAL = [
    ("PUT", "/sessions/{session_id}/state", {"a": 1}),
    ("PATCH", "/sessions/{session_id}/state", {"a": 1}),
    ("DELETE", "/sessions/{session_id}", None),
    ("PUT", "/tasks/{task_id}/state", {"state": "working"}),
    ("PATCH", "/agents/{agent_id}", {"name": "Renamed"}),
    ("PATCH", "/orgs/{organization_id}", {"name": "Renamed"}),
    ("DELETE", "/api-keys/{row_id}", None),
]
over_conditional = pytest.mark.parametrize(("method", "path", "body"), CONDITIONAL)


def _subject(scene: Scene, path: str) -> str:
    return path.format_map(scene.ids).removesuffix("/state")


@over_conditional
def test_a_write_with_the_current_tag_is_made(scene: Scene, method: str, path: str, body: object) -> None:
    current = scene.owner.get(_subject(scene, path)).headers["ETag"]

    answer = scene.owner.call(method, path.format_map(scene.ids), body, If_Match=f'"0", {current}')

    assert answer.status in (200, 204)


@over_conditional
def test_a_write_with_any_tag_is_made(scene: Scene, method: str, path: str, body: object) -> None:
    assert scene.owner.call(method, path.format_map(scene.ids), body, If_Match="*").status in (200, 204)


@over_conditional
@pytest.mark.parametrize("form", ['"999"', "W/{current}", '"abc"', '"0", "999"'])
def test_a_write_with_another_tag_is_refused_and_changes_nothing(
    scene: Scene, method: str, path: str, body: object, form: str
) -> None:
    subject = _subject(scene, path)
    before = scene.owner.get(subject)
    header = form.format(current=before.headers["ETag"])

    answer = scene.owner.call(method, path.format_map(scene.ids), body, If_Match=header)

    assert (answer.status, answer.code) == (412, "precondition-failed")
    assert scene.owner.get(subject).raw == before.raw


@over_conditional
def test_a_write_with_a_malformed_tag_is_refused(scene: Scene, method: str, path: str, body: object) -> None:
    answer = scene.owner.call(method, path.format_map(scene.ids), body, If_Match="1")

    assert (answer.status, answer.code) == (400, "invalid-header")


@over_conditional
@pytest.mark.parametrize("form", ["{current}", "W/{current}", '"0", {current}'])
def test_a_write_that_rules_out_the_current_tag_is_refused_and_changes_nothing(
    scene: Scene, method: str, path: str, body: object, form: str
) -> None:
    subject = _subject(scene, path)
    before = scene.owner.get(subject)
    header = form.format(current=before.headers["ETag"])

    answer = scene.owner.call(method, path.format_map(scene.ids), body, If_None_Match=header)

    assert (answer.status, answer.code) == (412, "precondition-failed")
    assert scene.owner.get(subject).raw == before.raw


@over_conditional
@pytest.mark.parametrize("header", ['"999"', 'W/"999"', '"abc"', '"0", "999"'])
def test_a_write_that_rules_out_another_tag_is_made(
    scene: Scene, method: str, path: str, body: object, header: str
) -> None:
    assert scene.owner.call(method, path.format_map(scene.ids), body, If_None_Match=header).status in (200, 204)


@over_conditional
def test_a_write_that_rules_out_a_malformed_tag_is_refused(scene: Scene, method: str, path: str, body: object) -> None:
    answer = scene.owner.call(method, path.format_map(scene.ids), body, If_None_Match="1")

    assert (answer.status, answer.code) == (400, "invalid-header")


@pytest.mark.parametrize(("if_match", "status"), [("{current}", 200), ('"998"', 412), ("*", 200)])
def test_a_write_under_both_conditions_meets_both(scene: Scene, if_match: str, status: int) -> None:
    path = f"/sessions/{scene.ids['session_id']}"
    current = scene.owner.get(path).headers["ETag"]
    conditions = {"If_Match": if_match.format(current=current), "If_None_Match": '"999"'}

    assert scene.owner.put(f"{path}/state", {"a": 1}, **conditions).status == status


def test_a_write_that_rules_out_a_tag_is_not_made_on_one_that_came_in_between(
    scene: Scene, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = f"/sessions/{scene.ids['session_id']}"
    replace_state = services.replace_state

    def overtaken(*args: Any, **kwargs: Any) -> Any:
        monkeypatch.setattr(services, "replace_state", replace_state)
        assert scene.owner.put(f"{path}/state", {"by": "another"}).headers["ETag"] == '"2"'
        return replace_state(*args, **kwargs)

    monkeypatch.setattr(services, "replace_state", overtaken)
    answer = scene.owner.put(f"{path}/state", {"by": "us"}, If_None_Match='"2"')

    assert (answer.status, answer.code) == (412, "precondition-failed")
    assert scene.owner.get(path).json["state"] == {"by": "another"}


@pytest.mark.parametrize("header", MALFORMED)
def test_a_malformed_tag_of_what_has_none_is_refused(scene: Scene, header: str) -> None:
    answer = scene.owner.post("/sessions", {}, If_Match=header)

    assert (answer.status, answer.code) == (400, "invalid-header")
