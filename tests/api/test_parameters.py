"""Query parameters, paths and headers that are not what an operation takes."""

import json

import pytest

from tests.api.scene import Operation, Scene, make_scene, operations
from tests.api.wire import send
from tests.factories import Answer

ALL = [operation for operation in operations() if operation.name != "revoke_api_key"]
LISTINGS = [operation for operation in ALL if operation.pages]
# Names of coordination are no ids: whatever text they are, something may be put there.
WITH_ID = [operation for operation in operations() if "_id}" in operation.path]
IN_PATH = [
    "%00",
    "a%00b",
    "..%2f..",
    "%2e%2e",
    "%F0%9F%98%80",
    "0" * 36,
    "00000000-0000-0000-0000-00000000000g",
    "x" * 5000,
    "%0d%0aX: y",
    "{task_id}",
    "\u0000",
]


def _name(operation: Operation) -> str:
    return operation.name


@pytest.fixture(scope="module")
def scene() -> Scene:
    return make_scene()


def _query(scene: Scene, operation: Operation, query: str) -> Answer:
    return send(operation.method, f"{operation.at(scene.ids)}?{query}", key=scene.owner.key)


def _refusals(scene: Scene, operation: Operation, queries: list[str]) -> dict[str, tuple[int, str]]:
    answers = {query: _query(scene, operation, query) for query in queries}
    return {query: (answer.status, answer.code) for query, answer in answers.items()}


@pytest.mark.parametrize("operation", ALL, ids=_name)
def test_an_unknown_query_parameter_is_refused(scene: Scene, operation: Operation) -> None:
    queries = ["surprise=1", "LIMIT=1", "limit%00=1", "=1", "%ff=%fe", "limit[]=1"]

    assert _refusals(scene, operation, queries) == dict.fromkeys(queries, (422, "invalid-parameter"))


@pytest.mark.parametrize("operation", LISTINGS, ids=_name)
def test_a_repeated_query_parameter_is_refused(scene: Scene, operation: Operation) -> None:
    queries = ["limit=1&limit=1", "limit=1&limit=2", "cursor=&cursor="]

    assert _refusals(scene, operation, queries) == dict.fromkeys(queries, (422, "invalid-parameter"))


@pytest.mark.parametrize("operation", LISTINGS, ids=_name)
def test_a_query_value_that_is_not_text_is_refused(scene: Scene, operation: Operation) -> None:
    queries = ["cursor=%00", "cursor=a%00b", "cursor=%ff", "cursor=%ed%a0%80", "limit=%00"]

    assert _refusals(scene, operation, queries) == dict.fromkeys(queries, (422, "invalid-parameter"))


@pytest.mark.parametrize("operation", LISTINGS, ids=_name)
def test_a_limit_outside_of_1_to_100_is_refused(scene: Scene, operation: Operation) -> None:
    limits = ["0", "101", "-1", "", "1.5", "1e1", "ten", "9" * 5000, "NaN", "%D9%A1", "null"]
    queries = [f"limit={limit}" for limit in limits]

    assert _refusals(scene, operation, queries) == dict.fromkeys(queries, (422, "invalid"))


@pytest.mark.parametrize("operation", LISTINGS, ids=_name)
@pytest.mark.parametrize("limit", ["1", "100"])
def test_a_limit_of_1_and_of_100_is_taken(scene: Scene, operation: Operation, limit: str) -> None:
    assert _query(scene, operation, f"limit={limit}").status == 200


def test_more_parameters_than_any_operation_has_are_refused(scene: Scene) -> None:
    answer = send("GET", "/tasks?" + "&".join(f"a{number}=1" for number in range(2000)), key=scene.owner.key)

    assert (answer.status, answer.code) == (400, "bad-request")


@pytest.mark.parametrize("length", ["-1", "1001", "x", "1e400", "9" * 400])
def test_a_history_length_out_of_bounds_is_refused(scene: Scene, length: str) -> None:
    answer = send("GET", f"/tasks/{scene.ids['task_id']}?history_length={length}", key=scene.owner.key)

    assert (answer.status, answer.code) == (422, "invalid")


@pytest.mark.parametrize("operation", WITH_ID, ids=_name)
def test_a_path_that_names_nothing_is_not_found(scene: Scene, operation: Operation) -> None:
    paths = [operation.at(dict.fromkeys(scene.ids, part)) for part in IN_PATH]
    body = b"{}" if operation.takes_body else b""

    answers = {path: send(operation.method, path, body, key=scene.owner.key) for path in paths}

    refused = {path: (answer.status, answer.code) for path, answer in answers.items()}
    assert refused == dict.fromkeys(paths, (404, "not-found"))


@pytest.mark.parametrize("operation", [one for one in operations() if one.names], ids=_name)
def test_a_name_in_a_path_that_is_not_utf_8_is_refused(scene: Scene, operation: Operation) -> None:
    paths = [operation.at(dict.fromkeys(scene.ids, part)) for part in ("%ff", "%c3%28", "%c0%af", "%ed%a0%80")]

    answers = {path: send(operation.method, path, key=scene.owner.key) for path in paths}

    refused = {path: (answer.status, answer.code) for path, answer in answers.items()}
    assert refused == dict.fromkeys(paths, (400, "bad-request"))


@pytest.mark.parametrize("operation", WITH_ID, ids=_name)
def test_an_id_in_a_path_that_is_not_utf_8_is_refused_or_names_nothing(scene: Scene, operation: Operation) -> None:
    paths = [operation.at(dict.fromkeys(scene.ids, part)) for part in ("%ff", "%c3%28")]

    answers = [send(operation.method, path, key=scene.owner.key) for path in paths]

    # Some routes match nothing but ids.
    assert {answer.code for answer in answers} <= {"bad-request", "not-found"}


@pytest.mark.parametrize(
    "key", ["", " ", "a b", "x" * 256, "\u00e9", "a\tb", "a\u007f", "\u00ff" * 10, "a,b", "a,a", ","]
)
def test_a_malformed_idempotency_key_is_refused(scene: Scene, key: str) -> None:
    answer = send("POST", "/tasks", b"{}", key=scene.owner.key, headers={"Idempotency-Key": key})

    assert (answer.status, answer.code) == (400, "invalid-header")


@pytest.mark.parametrize(
    "token", ["", "0", "-1", "1.5", "abc", "9" * 19, "9" * 5000, "\u00b2", "\u00b9", " ", "1 2", '"1"', "1,2"]
)
@pytest.mark.parametrize("operation", ["append_message", "append_artifact", "change_state", "extend_lease"])
def test_a_malformed_lease_token_is_refused(scene: Scene, operation: str, token: str) -> None:
    found = next(each for each in ALL if each.name == operation)
    headers = {"Holdfast-Lease-Token": token}

    answer = send(
        found.method,
        found.at(scene.ids),
        json.dumps(scene.body(operation)).encode(),
        key=scene.owner.key,
        headers=headers,
    )

    assert (answer.status, answer.code) == (400, "invalid-header")


@pytest.mark.parametrize(
    "value",
    ["", "Bearer", "Bearer ", "Basic aGY6aGY=", "\u00ff"],
)
def test_an_authorization_header_without_a_key_names_no_error(value: str) -> None:
    answer = send("GET", "/me", headers={"Authorization": value})

    assert (answer.status, answer.code) == (401, "unauthenticated")
    assert answer.headers["WWW-Authenticate"] == 'Bearer realm="holdfast"'


@pytest.mark.parametrize("value", ["bearer hf_", "Bearer hf_\u00e9", "Bearer " + "x" * 10_000])
def test_a_hostile_key_is_an_invalid_token(value: str) -> None:
    answer = send("GET", "/me", headers={"Authorization": value})

    assert (answer.status, answer.code) == (401, "unauthenticated")
    assert answer.headers["WWW-Authenticate"] == 'Bearer realm="holdfast", error="invalid_token"'


@pytest.mark.parametrize("operation", [one for one in WITH_ID if one.method == "GET"], ids=_name)
def test_an_id_in_upper_case_is_answered_like_one_in_lower_case(scene: Scene, operation: Operation) -> None:
    upper = {name: value if name == "artifact_id" else value.upper() for name, value in scene.ids.items()}

    answers = [send("GET", operation.at(ids), key=scene.owner.key) for ids in (scene.ids, upper)]

    assert answers[1].status == 200
    assert answers[1].raw == answers[0].raw
