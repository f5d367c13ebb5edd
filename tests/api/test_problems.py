"""Errors as RFC 9457 problems, unknown routes and methods, request ids."""

import re
import uuid

import pytest

from tests import factories
from tests.api.scene import Operation, Scene, make_scene, operations
from tests.api.wire import send
from tests.factories import Caller

GENERATED = re.compile(r"[0-9a-f]{32}")


@pytest.fixture(scope="module")
def unchanged() -> Scene:
    """A scene for requests that change nothing."""
    return make_scene()


def test_a_problem_has_the_members_of_rfc_9457_and_a_code(owner: Caller) -> None:
    answer = owner.get(f"/tasks/{uuid.uuid4()}", X_Request_Id="given-1")

    assert answer.headers["Content-Type"] == "application/problem+json"
    assert answer.json == {
        "type": "urn:holdfast:problem:not-found",
        "title": "There is no such thing here.",
        "status": 404,
        "code": "not-found",
        "detail": "There is no such thing here.",
        "request_id": "given-1",
    }


def test_an_invalid_body_names_each_field_at_fault(owner: Caller) -> None:
    answer = owner.post("/agents", {"name": "", "slug": "Not A Slug", "surprise": 1})

    assert (answer.status, answer.code) == (422, "invalid")
    assert {(found["in"], found["field"], found["type"]) for found in answer.json["errors"]} == {
        ("body", "name", "string_too_short"),
        ("body", "slug", "string_pattern_mismatch"),
        ("body", "surprise", "extra_forbidden"),
    }


def test_an_invalid_query_names_its_parameter(owner: Caller) -> None:
    answer = owner.get("/tasks?state=sleeping")

    assert [(found["in"], found["field"]) for found in answer.json["errors"]] == [("query", "state")]


@pytest.mark.parametrize(
    "path", ["/nothing", "/tasks/", "/tasks/not-a-uuid", "/tasks/%00", "/", "//tasks", "/tasks/../me", "/" + "x" * 9000]
)
def test_an_unknown_path_is_a_not_found_problem(owner: Caller, path: str) -> None:
    answer = send("GET", path, key=owner.key)

    assert (answer.status, answer.code) == (404, "not-found")


def test_a_path_outside_of_the_api_is_a_not_found_problem(owner: Caller) -> None:
    answer = owner.get("/api/v2/tasks")

    assert (answer.status, answer.code) == (404, "not-found")


@pytest.mark.parametrize("operation", operations(), ids=lambda operation: operation.name)
@pytest.mark.parametrize("method", ["OPTIONS", "TRACE", "FOO"])
def test_a_method_that_a_path_lacks_is_answered_with_those_it_has(
    unchanged: Scene, operation: Operation, method: str
) -> None:
    expected = {each.method for each in operations() if each.path == operation.path}

    answer = send(method, operation.at(unchanged.ids), key=unchanged.owner.key)

    assert (answer.status, answer.code) == (405, "method-not-allowed")
    assert set(answer.headers["Allow"].split(", ")) == expected


@pytest.mark.parametrize("operation", [one for one in operations() if one.method == "GET"], ids=lambda one: one.name)
def test_head_is_answered_as_get(unchanged: Scene, operation: Operation) -> None:
    target = operation.at(unchanged.ids)

    head, get = (send(method, target, key=unchanged.owner.key) for method in ("HEAD", "GET"))

    # An export is itself recorded, so that the next one ends elsewhere.
    varying = ("X-Request-Id", "Content-Length", "Holdfast-Next-Cursor", "RateLimit")
    assert head.status == get.status
    # What coordination names may be missing, and its peek needs parameters.
    assert operation.names or get.status == 200
    assert {name: value for name, value in head.headers.items() if name not in varying} == {
        name: value for name, value in get.headers.items() if name not in varying
    }


def test_head_of_a_path_without_get_is_not_allowed(owner: Caller) -> None:
    assert send("HEAD", "/tasks/claim", key=owner.key).code == "method-not-allowed"


@pytest.mark.parametrize("given", ["a", "A-Z_a.z-09", "x" * 64, str(uuid.UUID(int=1))])
def test_a_plain_request_id_is_given_back(owner: Caller, given: str) -> None:
    assert owner.get("/me", X_Request_Id=given).headers["X-Request-Id"] == given


@pytest.mark.parametrize(
    "hostile", ["", " ", "x" * 65, "a b", "a\tb", '"a"', "{}", "\u00e9", "<script>", "a,b", "../a"]
)
def test_a_hostile_request_id_is_replaced(owner: Caller, hostile: str) -> None:
    answer = send("GET", "/me", key=owner.key, headers={"X-Request-Id": hostile})

    assert GENERATED.fullmatch(answer.headers["X-Request-Id"])


def test_every_call_without_a_request_id_gets_its_own(owner: Caller) -> None:
    given = {owner.get("/me").headers["X-Request-Id"] for _ in range(3)}

    assert len(given) == 3


@pytest.mark.parametrize(("method", "path"), [("GET", "/nothing"), ("FOO", "/me"), ("POST", "/tasks"), ("GET", "/me")])
def test_a_problem_carries_the_id_of_its_request(method: str, path: str) -> None:
    answer = send(method, path, headers={"X-Request-Id": "mine"})

    assert (answer.json["request_id"], answer.headers["X-Request-Id"]) == ("mine", "mine")


def test_an_event_carries_the_id_of_the_request_that_made_it(owner: Caller) -> None:
    made = owner.post("/tasks", {"message": factories.text_message()}, X_Request_Id="made-it")

    events = owner.get(f"{made.headers['Location']}/events").json["items"]

    assert [event["request_id"] for event in events] == ["made-it"]


@pytest.mark.parametrize("operation", operations(), ids=lambda operation: operation.name)
def test_no_answer_may_be_sniffed_as_another_type(scene: Scene, operation: Operation) -> None:
    answer = send(operation.method, operation.at(scene.ids), key=scene.owner.key)

    assert answer.headers["X-Content-Type-Options"] == "nosniff"


def test_an_answer_without_content_has_no_content_length(scene: Scene) -> None:
    known = scene.owner.get(f"/sessions/{scene.ids['session_id']}").headers["ETag"]

    unchanged = scene.owner.get(f"/sessions/{scene.ids['session_id']}", If_None_Match=known)
    deleted = scene.owner.delete(f"/sessions/{scene.ids['session_id']}")

    assert (unchanged.status, deleted.status) == (304, 204)
    assert "Content-Length" not in unchanged.headers
    assert "Content-Length" not in deleted.headers


@pytest.mark.parametrize(
    ("path", "body", "field", "message"),
    [
        ("/tasks", {"message": {"role": "agent", "parts": [{}]}}, "message.role", "Input should be 'user'"),
        ("/tasks", {"message": 5}, "message", "Input should be an object"),
        ("/tasks", {"message": {"parts": [5]}}, "message.parts.0", "Input should be an object"),
        ("/tasks", {"message": {"parts": 5}}, "message.parts", "Input should be an array"),
        ("/tasks", {"message": {"parts": []}}, "message.parts", "Array should have at least 1 item"),
        ("/tasks", {}, "message", "Field is missing"),
        ("/tasks", [], "body", "Input should be an object"),
        ("/sessions", {"title": 5}, "title", "Input should be a string"),
        ("/sessions", {"surprise": 5}, "surprise", "Field is unknown here"),
        ("/sessions", {"metadata": {"a": "x" * 70_000}}, "metadata", "takes at most 65536 bytes"),
        ("/tasks/claim", {"count": True}, "count", "Input should be an integer"),
        ("/tasks/{task_id}/artifacts", {"parts": [{}], "append": "off"}, "append", "Input should be true or false"),
    ],
)
def test_a_field_at_fault_is_told_in_the_words_of_json(
    scene: Scene, path: str, body: object, field: str, message: str
) -> None:
    answer = scene.owner.post(path.format_map(scene.ids), body)

    assert (answer.status, answer.code) == (422, "invalid")
    assert [(error["field"], error["message"]) for error in answer.json["errors"]] == [(field, message)]
