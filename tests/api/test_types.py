"""Values are taken in the types that the OpenAPI document has for them, and in no others."""

import json
from collections.abc import Iterator
from typing import Any

import pytest

from config.api import api
from tests.api.scene import Operation, Scene, make_scene, operations
from tests.api.wire import send
from tests.factories import API, Answer, Caller

UPPER = "0198F0B6-7A5C-7B1E-8D43-5A6B7C8D9E0F"
# JSON texts of another type than the document's, some of which pydantic would take.
OTHERS = {
    "integer": ["true", '"5"', '"5.0"', "5.5", "[5]", "null", '""'],
    "number": ["true", '"5"', '"0.5"', "[5]", "null", '""'],
    "boolean": ["1", "0", "1.0", '"true"', '"off"', '"no"', "null", "[]"],
    "date-time": [
        "1900000000", '"1900000000"', "1.9e9", '"2030-01-01"', '"2030-01-01T00:00:00"', '"2030-01-01 00:00:00Z"',
        '"2030-01-01T00:00Z"', '"2030-01-01T00:00:00+0100"', '" 2030-01-01T00:00:00Z"', '"2030-01-01T00:00:00Z\\n"',
        '"2030-02-30T00:00:00Z"', '"203\u0660-01-01T00:00:00Z"', "true", "[]",
    ],
    "uuid": [
        "1", f'"urn:uuid:{UPPER}"', f'"{{{UPPER}}}"', f'"{UPPER.replace("-", "")}"', f'" {UPPER}"', f'"{UPPER}\\n"',
        '""', "[]", "true",
    ],
}  # fmt: skip
DIGITS_ONLY = ["1_0", "%2B5", "+5", "%205", "5%20", "1.0", "0x5", "5%0A", "true", "%D9%A5"]


def _kinds(described: dict[str, Any]) -> Iterator[str]:
    for schema in (described, *described.get("anyOf", ())):
        for kind in (schema.get("format"), schema.get("type")):
            if kind in OTHERS:
                yield str(kind)


def _typed() -> list[tuple[Operation, str, str]]:
    """Return each field of a body that is no text, with its operation and its type."""
    schemas = api.get_openapi_schema(path_prefix=f"{API}/")["components"]["schemas"]
    found = []
    for operation in operations():
        if not operation.takes_body:
            continue
        reference = operation.described["requestBody"]["content"]["application/json"]["schema"].get("$ref", "")
        fields = schemas.get(reference.rpartition("/")[2], {}).get("properties", {})
        found += [(operation, name, kind) for name, field in fields.items() for kind in _kinds(field)]
    return found


TYPED = _typed()
IN_QUERIES = [(one, name) for one in operations() for name in one.query if name in ("limit", "history_length")]
# The trail names subjects of every kind, and requests as their callers do.
TEXTS = ("subject_id", "request_id")
IDS_IN_QUERIES = [
    (one, name) for one in operations() for name in one.query if name.endswith("_id") and name not in TEXTS
]


def _id(value: object) -> str:
    return value.name if isinstance(value, Operation) else str(value)


@pytest.fixture(scope="module")
def scene() -> Scene:
    return make_scene()


def _faults(answer: Answer) -> tuple[int, str, list[str]]:
    return answer.status, answer.code, [error["field"] for error in answer.json["errors"]]


def test_the_types_of_bodies_are_found() -> None:
    assert {kind for _, _, kind in TYPED} == set(OTHERS)


@pytest.mark.parametrize(("operation", "name", "kind"), TYPED, ids=_id)
def test_a_value_of_another_type_is_refused(scene: Scene, operation: Operation, name: str, kind: str) -> None:
    body = json.dumps({**scene.body(operation.name), name: "mark"})
    bodies = {text: body.replace('"mark"', text).encode() for text in OTHERS[kind]}

    answers = {
        text: send(operation.method, operation.at(scene.ids), raw, key=scene.owner.key) for text, raw in bodies.items()
    }

    assert {text: _faults(answer) for text, answer in answers.items()} == dict.fromkeys(
        OTHERS[kind], (422, "invalid", [name])
    )


@pytest.mark.parametrize(("operation", "name"), IN_QUERIES, ids=_id)
def test_a_number_in_a_query_is_taken_in_digits_alone(scene: Scene, operation: Operation, name: str) -> None:
    path = operation.at(scene.ids)

    answers = {text: send("GET", f"{path}?{name}={text}", key=scene.owner.key) for text in DIGITS_ONLY}

    assert {text: _faults(answer) for text, answer in answers.items()} == dict.fromkeys(
        DIGITS_ONLY, (422, "invalid", [name])
    )


@pytest.mark.parametrize(("operation", "name"), IDS_IN_QUERIES, ids=_id)
@pytest.mark.parametrize("form", ["urn:uuid:{}", "{{{}}}", "%20{}", "{}%0A"])
def test_an_id_in_a_query_is_taken_in_36_characters_alone(
    scene: Scene, operation: Operation, name: str, form: str
) -> None:
    answer = send("GET", f"{operation.at(scene.ids)}?{name}={form.format(scene.ids[name])}", key=scene.owner.key)

    assert _faults(answer) == (422, "invalid", [name])


@pytest.mark.parametrize("count", ["1", "1.0", "1e0", "10e-1"])
def test_every_writing_of_an_integer_is_taken(owner: Caller, count: str) -> None:
    assert owner.post("/tasks/claim", f'{{"count":{count}}}'.encode(), Content_Type="application/json").status == 200


@pytest.mark.parametrize(
    "instant",
    ["2030-01-01T00:00:00Z", "2030-01-01t00:00:00z", "2030-01-01T05:30:00.5+05:30", "2029-12-31T23:59:59.123456-01:00"],
)
def test_a_time_is_taken_as_in_rfc_3339(owner: Caller, instant: str) -> None:
    answer = owner.post("/api-keys", {"name": "made", "scopes": ["tasks:read"], "expires_at": instant})

    assert answer.status == 201, answer


def test_an_id_in_a_body_and_a_query_is_taken_in_either_case(scene: Scene) -> None:
    agent_id = scene.ids["agent_id"]

    made = scene.owner.post("/sessions", {"agent_id": agent_id.upper()})
    listed = scene.owner.get(f"/tasks?context_id={scene.ids['context_id'].upper()}")

    assert made.json["agent_id"] == agent_id
    assert [task["id"] for task in listed.json["items"]] == [scene.ids["task_id"]]
