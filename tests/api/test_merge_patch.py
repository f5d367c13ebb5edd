"""JSON Merge Patch (RFC 7396): its own table of tests, in the function and over HTTP."""

import json
from typing import Any

import pytest

from api import documents
from api.merging import merge
from tests import factories
from tests.factories import Caller

# RFC 7396, appendix A: original, patch, result.
APPENDIX_A = [
    ('{"a":"b"}', '{"a":"c"}', '{"a":"c"}'),
    ('{"a":"b"}', '{"b":"c"}', '{"a":"b","b":"c"}'),
    ('{"a":"b"}', '{"a":null}', "{}"),
    ('{"a":"b","b":"c"}', '{"a":null}', '{"b":"c"}'),
    ('{"a":["b"]}', '{"a":"c"}', '{"a":"c"}'),
    ('{"a":"c"}', '{"a":["b"]}', '{"a":["b"]}'),
    ('{"a":{"b":"c"}}', '{"a":{"b":"d","c":null}}', '{"a":{"b":"d"}}'),
    ('{"a":[{"b":"c"}]}', '{"a":[1]}', '{"a":[1]}'),
    ('["a","b"]', '["c","d"]', '["c","d"]'),
    ('{"a":"b"}', '["c"]', '["c"]'),
    ('{"a":"foo"}', "null", "null"),
    ('{"a":"foo"}', '"bar"', '"bar"'),
    ('{"e":null}', '{"a":1}', '{"e":null,"a":1}'),
    ("[1,2]", '{"a":"b","c":null}', '{"a":"b"}'),
    ("{}", '{"a":{"bb":{"ccc":null}}}', '{"a":{"bb":{}}}'),
]
OF_OBJECTS = [row for row in APPENDIX_A if row[0][0] == row[1][0] == "{"]


@pytest.mark.parametrize(("original", "patch", "result"), APPENDIX_A)
def test_merge_follows_the_table_of_the_rfc(original: str, patch: str, result: str) -> None:
    assert merge(json.loads(original), json.loads(patch)) == json.loads(result)


def test_merge_leaves_its_arguments_as_they_were() -> None:
    original: dict[str, Any] = {"a": {"b": 1}}
    patch: dict[str, Any] = {"a": {"b": None, "c": {"d": None}}}

    merge(original, patch)

    assert (original, patch) == ({"a": {"b": 1}}, {"a": {"b": None, "c": {"d": None}}})


@pytest.mark.parametrize(("original", "patch", "result"), OF_OBJECTS)
def test_patching_a_state_follows_the_table_of_the_rfc(owner: Caller, original: str, patch: str, result: str) -> None:
    session = factories.create_session(owner, state=json.loads(original))
    path = f"/sessions/{session['id']}"

    answer = owner.patch(f"{path}/state", patch.encode(), Content_Type="application/merge-patch+json")

    assert answer.status == 200
    assert owner.get(path).json["state"] == json.loads(result)


def test_patching_keeps_the_digits_of_what_it_does_not_touch(owner: Caller) -> None:
    session = factories.create_session(owner)
    path = f"/sessions/{session['id']}"
    owner.put(f"{path}/state", b'{"a":{"n":1e23,"m":9007199254740993,"z":-0.0,"y":-0,"t":1.10},"b":1}')

    owner.patch(f"{path}/state", b'{"b":0.10000000000000000000001}')

    expected = '{"a":{"n":1E+23,"m":9007199254740993,"z":-0.0,"y":-0,"t":1.10},"b":0.10000000000000000000001}'
    assert documents.dumps(owner.get(path).json["state"]) == expected


@pytest.mark.parametrize("patch", [b"[1]", b"null", b'"text"', b"1", b"true"])
def test_a_patch_that_is_no_object_is_refused_because_a_state_is_one(owner: Caller, patch: bytes) -> None:
    session = factories.create_session(owner)

    answer = owner.patch(f"/sessions/{session['id']}/state", patch)

    assert (answer.status, answer.code) == (422, "invalid")
