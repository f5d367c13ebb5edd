"""No request makes the service fail: hostile values in every place of every route, always the same ones."""

import copy
import json
import random
import uuid
from collections.abc import Iterator
from typing import Any

import pytest
from pytest_django import Settings

from tests.api.scene import Operation, Scene, make_scene, operations
from tests.api.wire import send

# JSON texts, so that they may be what no Python value is.
VALUES = [
    "null", "true", "0", "-1", "1.5", "-0.0", "1e308", "1e-400", "9" * 4300, str(2**31), str(2**63), str(-(2**63) - 1),
    '""', '" "', '"\\u200b"', '"a"', '"\\u0001\\u001f"', '"\\ud83d\\ude00"', '"\u202e\u2028"', '"\\\\u0000"',
    '"' + "x" * 501 + '"', '"' + "\U0001f600" * 5000 + '"', '"true"', '"1"', '"null"', '"NaN"',
    '"00000000-0000-0000-0000-000000000000"', '"0001-01-01T00:00:00+23:59"', '"9999-12-31T23:59:59.999999-23:59"',
    '"2030-01-01"', '"2030-02-30T00:00:00Z"', "99999999999999", '"1e400"', '"P1D"', '"%s%(a)s{0}"', "\"';--\"",
    '"a@b.c"', '"\\u0130@\\u0131.\u212a"', "[]", "[null]", "[[]]", "[{}]", '[""]', '["tasks:read","tasks:read"]',
    "[" + "{}," * 1001 + "{}]", "[" * 60 + "]" * 60, "{}", '{"":{}}', '{"a":1}', '{"__class__":{}}',
]  # fmt: skip
QUERY = [
    "", "0", "-1", "1e400", "9" * 5000, "null", "true", "%00", "%ff", "%ed%a0%80", "%F0%9F%98%80", "x" * 600, "a b+c",
    "%", "%zz", "*", "'", "..", ".", "a.b", "W10.W10", "00000000-0000-0000-0000-000000000000", "{}", "%0d%0a", "\xff",
]  # fmt: skip
HEADERS = [
    "", " ", "*", "1", '"1"', 'W/"1"', '"', '"1', ',', '"1",,"2"', "x" * 9000, '"' + "9" * 30 + '"', "\xff\xfe", "null",
    "-1", "9" * 5000, "\u00b2", "a\tb", "application/json; charset=zlib", "a*=zlib''%41", "chunked", "identity",
]  # fmt: skip
HEADER_NAMES = [
    "If-Match", "If-None-Match", "Idempotency-Key", "Holdfast-Lease-Token", "X-Request-Id", "X-Forwarded-For",
    "Authorization", "Accept", "Host", "Cookie", "Content-Type", "Content-Length", "Transfer-Encoding", "Range",
    "If-Modified-Since", "Expect", "Accept-Encoding", "X-HTTP-Method-Override", "Origin",
]  # fmt: skip
METHODS = ["GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS", "TRACE", "FOO", "get"]


@pytest.fixture(scope="module")
def shared() -> Scene:
    return make_scene()


@pytest.fixture
def fuzzed(request: pytest.FixtureRequest, shared: Scene) -> Scene:
    """A scene of its own for the operation that takes something out of it, such as its key, else the one of all."""
    operation = request.node.callspec.params["operation"]
    return make_scene() if operation.method == "DELETE" or operation.name == "rotate_own_key" else shared


def _places(document: Any, path: tuple[Any, ...] = ()) -> Iterator[tuple[Any, ...]]:
    """Name each place in a document, the whole of it first."""
    yield path
    steps = (
        document.items() if isinstance(document, dict) else enumerate(document) if isinstance(document, list) else ()
    )
    for step, child in steps:
        yield from _places(child, (*path, step))


def _with(document: Any, path: tuple[Any, ...], text: str) -> bytes:
    """Return the document as text with the JSON text `text` at the place."""
    mark = f"mark-{uuid.UUID(int=0).hex}"
    changed: Any = copy.deepcopy(document)
    if not path:
        return text.encode()
    holder = changed
    for step in path[:-1]:
        holder = holder[step]
    holder[path[-1]] = mark
    return json.dumps(changed).replace(f'"{mark}"', text).encode()


@pytest.mark.parametrize("operation", [one for one in operations() if one.takes_body], ids=lambda one: one.name)
def test_no_value_in_a_body_makes_the_service_fail(fuzzed: Scene, operation: Operation, settings: Settings) -> None:
    # A sign-up that passes derives a password; slowly that would take most of the time.
    settings.PASSWORD_HASHERS = ["django.contrib.auth.hashers.MD5PasswordHasher"]
    body = fuzzed.body(operation.name)
    target, key = operation.at(fuzzed.ids), fuzzed.owner.key

    for place in _places(body):
        for value in VALUES:
            answer = send(operation.method, target, _with(body, place, value), key=key)
            assert answer.status < 500, (place, value[:100], answer)


@pytest.mark.parametrize("operation", operations(), ids=lambda one: one.name)
def test_no_query_makes_the_service_fail(fuzzed: Scene, operation: Operation) -> None:
    body = json.dumps(fuzzed.body(operation.name)).encode() if operation.takes_body else b""

    for name in [*operation.query, "surprise"]:
        for value in QUERY:
            target = f"{operation.at(fuzzed.ids)}?{name}={value}"
            answer = send(operation.method, target, body, key=fuzzed.owner.key)
            assert answer.status < 500, (name, value[:100], answer)


@pytest.mark.parametrize("operation", operations(), ids=lambda one: one.name)
def test_no_header_makes_the_service_fail(fuzzed: Scene, operation: Operation) -> None:
    # Not a valid one: a header must not need a body that passes, and deriving passwords takes long.
    body = b'{"surprise":1}' if operation.takes_body else b""

    # What a header does hardly depends on the route: all pairs on two of them, a share of the pairs on the rest.
    pairs = [(name, value) for name in HEADER_NAMES for value in HEADERS]
    if operation.name not in ("get_task", "append_message"):
        pairs = random.Random(operation.name).sample(pairs, 30)

    for name, value in pairs:
        target = operation.at(fuzzed.ids)
        answer = send(operation.method, target, body, key=fuzzed.owner.key, headers={name: value})
        assert answer.status < 500, (name, value[:100], answer)


def test_no_combination_makes_the_service_fail() -> None:
    fuzzed = make_scene()
    chance = random.Random(20260101)

    for _ in range(800):
        operation = chance.choice(operations())
        ids = fuzzed.ids | ({chance.choice(list(fuzzed.ids)): chance.choice(QUERY)} if chance.random() < 0.3 else {})
        query = "&".join(f"{chance.choice([*operation.query, 'x'])}={chance.choice(QUERY)}" for _ in range(2))
        headers = {name: chance.choice(HEADERS) for name in chance.sample(HEADER_NAMES, 2)}
        body = chance.choice(VALUES).encode() + (b"}" if chance.random() < 0.1 else b"")
        if operation.takes_body and operation.name not in ("sign_up", "accept_invitation") and chance.random() < 0.5:
            valid = fuzzed.body(operation.name)
            body = _with(valid, chance.choice(list(_places(valid))), chance.choice(VALUES))
        method = operation.method if chance.random() < 0.8 else chance.choice(METHODS)
        target = operation.at(ids) + (f"?{query}" if chance.random() < 0.3 else "")

        answer = send(method, target, body, key=fuzzed.owner.key, headers=headers)

        assert answer.status < 500, (method, target[:200], headers, body[:200], answer)
