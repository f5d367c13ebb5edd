"""What no operation takes as a body, over every operation that takes one; and bodies where none belongs."""

import gzip
import json

import pytest

from tests.api.scene import Operation, Scene, make_scene, operations_of
from tests.api.wire import send
from tests.factories import Answer

WRITES = [operation for operation in operations_of("POST", "PUT", "PATCH") if operation.takes_body]
BODILESS = [operation for operation in operations_of("POST", "PUT", "PATCH", "DELETE") if not operation.takes_body]

# Each is refused with invalid-json before the operation looks at any field.
NOT_JSON = {
    "a word": b"word",
    "cut off": b'{"name":"a"',
    "trailing text": b"{} x",
    "trailing comma": b'{"a":1,}',
    "a byte order mark": b"\xef\xbb\xbf{}",
    "UTF-16": '{"a":1}'.encode("utf-16"),
    "Latin-1": b'{"a":"\xe9"}',
    "overlong UTF-8": b'{"a":"\xc0\xaf"}',
    "a raw NUL in a value": b'{"a":"\x00"}',
    "a raw NUL in a name": b'{"\x00":1}',
    "a raw NUL after the end": b"{}\x00",
    "an escaped NUL in a value": b'{"a":"\\u0000"}',
    "an escaped NUL in a name": b'{"a\\u0000":1}',
    "an escaped NUL deep inside": b'{"a":[{"b":["c\\u0000"]}]}',
    "a high surrogate alone": b'{"a":"\\ud800"}',
    "a low surrogate alone": b'{"a":"\\udc00"}',
    "surrogates in the wrong order": b'{"\\udc00\\ud800":1}',
    "surrogates in UTF-8": b'{"a":"\xed\xa0\xbd\xed\xb8\x80"}',
    "a name twice": b'{"a":1,"a":1}',
    "a name twice, once escaped": b'{"a":1,"\\u0061":1}',
    "a name twice deep inside": b'{"a":[{"b":{"c":1,"c":2}}]}',
    "NaN": b'{"a":NaN}',
    "Infinity": b'{"a":Infinity}',
    "minus Infinity": b'{"a":-Infinity}',
    "a number beyond doubles": b'{"a":1e999}',
    "a very small number": b'{"a":1e-999999999999}',
    "a zero with a large exponent": b'{"a":0e4301}',
    "a zero with a small exponent": b'{"a":0.0e-4300}',
    "an exponent beyond decimals": b'{"a":1e-99999999999999999999}',
    "an integer of 5000 digits": b'{"a":' + b"9" * 5000 + b"}",
    "a decimal of 5000 digits": b'{"a":0.' + b"9" * 5000 + b"}",
    "65 levels": b'{"a":' * 64 + b"{}" + b"}" * 64,
    "60,000 levels": b"[" * 60_000,
    "spaces only": b"  \n",
}


@pytest.fixture(scope="module")
def scene() -> Scene:
    return make_scene()


def _send(scene: Scene, operation: Operation, body: bytes, **headers: str) -> Answer:
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    return send(operation.method, operation.at(scene.ids), body, key=scene.owner.key, headers=named)


def _name(operation: Operation) -> str:
    return operation.name


over_writes = pytest.mark.parametrize("operation", WRITES, ids=_name)


@over_writes
def test_what_is_not_strict_json_is_refused(scene: Scene, operation: Operation) -> None:
    answers = {what: _send(scene, operation, body) for what, body in NOT_JSON.items()}

    refused = {what: (answer.status, answer.code) for what, answer in answers.items()}
    assert refused == dict.fromkeys(NOT_JSON, (400, "invalid-json"))


@over_writes
def test_a_body_that_is_no_object_is_refused(scene: Scene, operation: Operation) -> None:
    bodies = [b"[]", b"[{}]", b"null", b"1", b'"text"', b"true"]

    answers = {body: _send(scene, operation, body) for body in bodies}

    refused = {body: (answer.status, answer.code) for body, answer in answers.items()}
    assert refused == dict.fromkeys(bodies, (422, "invalid"))


@pytest.mark.parametrize("operation", [one for one in WRITES if one.needs_body], ids=_name)
def test_an_empty_body_is_refused(scene: Scene, operation: Operation) -> None:
    answer = _send(scene, operation, b"")

    assert (answer.status, answer.code) == (422, "invalid")


def test_a_body_all_of_which_may_be_left_out_is_not_required() -> None:
    names = {operation.name for operation in WRITES if not operation.needs_body}

    assert names == {"resend_invitation", "rotate_api_key", "rotate_my_key", "rotate_own_key"}


@pytest.mark.parametrize("operation", [one for one in WRITES if not one.needs_body], ids=_name)
def test_no_body_is_as_an_empty_object(operation: Operation) -> None:
    empty, none = [_send(make_scene(), operation, body) for body in (b"{}", b"")]

    assert none.status == empty.status < 300
    assert none.json.keys() == empty.json.keys()


# The caller's own documents have no fields that could be unknown.
FREE = ("replace_state", "merge_state", "replace_settings", "merge_settings")
WITH_FIELDS = [operation for operation in WRITES if operation.name not in FREE]


@pytest.mark.parametrize("operation", WITH_FIELDS, ids=_name)
def test_an_unknown_field_is_refused_by_its_name(scene: Scene, operation: Operation) -> None:
    body = scene.body(operation.name) | {"surprise": 1}

    answer = _send(scene, operation, json.dumps(body).encode())

    assert (answer.status, answer.code) == (422, "invalid")
    assert [(found["in"], found["field"]) for found in answer.json["errors"]] == [("body", "surprise")]


@pytest.mark.parametrize(("name", "nested"), [("submit_task", "message"), ("sign_up", "organization")])
def test_an_unknown_field_of_a_nested_object_is_refused_by_its_path(scene: Scene, name: str, nested: str) -> None:
    operation = next(found for found in WRITES if found.name == name)
    body = scene.body(name)
    body[nested]["surprise"] = 1

    answer = _send(scene, operation, json.dumps(body).encode())

    assert answer.code == "invalid"
    assert [found["field"] for found in answer.json["errors"]] == [f"{nested}.surprise"]


@over_writes
def test_another_content_type_is_refused(scene: Scene, operation: Operation) -> None:
    types = [
        "",
        "text/plain",
        "application/x-www-form-urlencoded",
        "multipart/form-data; boundary=x",
        "text/json",
        "json",
    ]

    answers = {given: _send(scene, operation, b"{}", Content_Type=given) for given in types}

    refused = {given: (answer.status, answer.code) for given, answer in answers.items()}
    assert refused == dict.fromkeys(types, (415, "unsupported-media-type"))


@over_writes
def test_a_compressed_body_is_refused_and_the_answer_says_why(scene: Scene, operation: Operation) -> None:
    codings = ["gzip", "GZIP", "deflate", "br", "zstd", "gzip, identity", "x" * 5000, "\xff"]

    answers = {given: _send(scene, operation, gzip.compress(b"{}"), Content_Encoding=given) for given in codings}

    refused = {given: (answer.status, answer.code) for given, answer in answers.items()}
    assert refused == dict.fromkeys(codings, (415, "unsupported-media-type"))
    assert answers["gzip"].json["detail"] == "Send the body as it is, without the Content-Encoding 'gzip'."
    assert all(len(answer.json["detail"]) < 500 for answer in answers.values())


@pytest.mark.parametrize("coding", ["identity", " Identity ", ""])
def test_a_body_sent_as_it_is_may_say_so(scene: Scene, coding: str) -> None:
    answer = send("POST", "/sessions", b"{}", key=scene.owner.key, headers={"Content-Encoding": coding})

    assert answer.status == 201


@pytest.mark.parametrize(
    "content_type",
    [
        "Application/JSON",
        "application/json; charset=utf-8",
        "application/json;charset=utf-16",
        "application/json; charset=zlib",
        "application/json; charset*=bogus''x",
        "application/json; charset*=undefined''%ff",
        "application/json; charset=",
        'application/json; charset="',
        "application/json; ;;",
    ],
)
def test_json_is_utf8_whatever_its_content_type_adds(scene: Scene, content_type: str) -> None:
    headers = {"Content-Type": content_type}

    answer = send("POST", "/sessions", b'{"title":"\xc3\xa9"}', key=scene.owner.key, headers=headers)

    assert (answer.status, answer.json["title"]) == (201, "\u00e9")


@pytest.mark.parametrize(
    "charset", ["zlib", "hex", "punycode", "idna", "undefined", "utf-7", "utf-16", "unicode_escape"]
)
def test_no_character_set_of_a_body_is_that_of_the_query(scene: Scene, charset: str) -> None:
    headers = {"Content-Type": f"application/json; charset={charset}"}

    answer = send("GET", "/tasks?state=%ff", key=scene.owner.key, headers=headers)

    assert (answer.status, answer.code) == (422, "invalid-parameter")


@pytest.mark.parametrize("operation", BODILESS, ids=_name)
@pytest.mark.parametrize("body", [b"{}", b"null", b"\xff"])
def test_a_body_where_none_is_taken_is_refused(scene: Scene, operation: Operation, body: bytes) -> None:
    answer = _send(scene, operation, body)

    assert (answer.status, answer.code) == (422, "unexpected-body")


def test_a_refusal_does_not_repeat_the_value_at_fault(scene: Scene) -> None:
    body = scene.body("sign_up") | {"password": ["hunter2-hunter2"], "display_name": {"hunter2-hunter2": 1}}

    answer = send("POST", "/signup", json.dumps(body).encode())

    assert answer.code == "invalid"
    assert b"hunter2" not in answer.raw


def test_a_body_of_more_values_than_can_be_read_at_once_is_refused(scene: Scene) -> None:
    answer = send("POST", "/sessions", b'{"state":{"a":[' + b"{}," * 1_000_000 + b"{}]}}", key=scene.owner.key)

    assert (answer.status, answer.code) == (413, "too-many-values")
