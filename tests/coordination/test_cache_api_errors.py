"""What the cache refuses over HTTP, each with its code; and how it answers when Valkey is gone."""

from collections.abc import Iterator
from typing import Any

import pytest

from coordination import shared
from tests.api.wire import send
from tests.coordination.caching import connected
from tests.coordination.servers import ValkeyServer
from tests.factories import Caller

PATH = "/cache/report/daily"
# As they stand in a path.
BAD_NAMES = ["%00", "a%00b", "%0A", "a%0d%0aX: y", "%7F", "%C2%85", "%E2%80%A8", "x" * 201]
BAD_TTLS = ["0", "-1", "-0.0", "0.0", "2592001", "1e308", "-1e308", "9" * 4000, "-" + "9" * 4000]
NO_NUMBERS = ["true", '"5"', "null", "[]", "{}", '"NaN"']
OPERATIONS = [
    ("GET", PATH, ""),
    ("PUT", PATH, '{"value":1,"ttl_seconds":60}'),
    ("DELETE", PATH, ""),
    ("POST", f"{PATH}/compute", '{"compute_seconds":60}'),
    ("POST", f"{PATH}/compute/release", '{"token":"t"}'),
]
BATCHES = [
    ("get", '{"names":[NAMES]}'),
    ("set", '{"values":{VALUES},"ttl_seconds":60}'),
    ("delete", '{"names":[NAMES]}'),
]


def _send(owner: Caller, method: str, path: str, body: str = "") -> tuple[int, str]:
    answer = send(method, path, body.encode(), key=owner.key)
    return answer.status, answer.code if answer.status >= 400 else ""


@pytest.mark.parametrize("name", BAD_NAMES, ids=lambda name: name[:12])
@pytest.mark.parametrize(("method", "path", "body"), OPERATIONS)
def test_a_name_in_a_path_that_is_none_is_refused(owner: Caller, method: str, path: str, body: str, name: str) -> None:
    as_name, as_resource = path.replace("daily", name), path.replace("report", name)

    assert _send(owner, method, as_name, body) == (400, "invalid-name")
    assert _send(owner, method, as_resource, body) == (400, "invalid-name")


@pytest.mark.parametrize("name", ["", "a\\n", "\\u0001", "\\u2028", "x" * 201], ids=lambda name: name[:6])
@pytest.mark.parametrize(("batch", "body"), BATCHES)
def test_a_name_in_a_body_that_is_none_is_refused(owner: Caller, batch: str, body: str, name: str) -> None:
    body = body.replace("NAMES", f'"a","{name}"').replace("VALUES", f'"a":1,"{name}":2')

    assert _send(owner, "POST", f"/cache/report:{batch}", body) == (400, "invalid-name")


@pytest.mark.parametrize("resource", ["a:b", ":", "%00", "x" * 201], ids=lambda name: name[:6])
def test_a_resource_that_is_none_is_refused(owner: Caller, resource: str) -> None:
    assert _send(owner, "GET", f"/cache/{resource}/daily") == (400, "invalid-name")
    assert _send(owner, "POST", f"/cache/{resource}:get", '{"names":["a"]}') == (400, "invalid-name")


@pytest.mark.parametrize("ttl", BAD_TTLS, ids=lambda text: text[:9])
def test_a_time_that_is_none_is_refused(owner: Caller, ttl: str) -> None:
    bodies = {
        ("PUT", PATH): f'{{"value":1,"ttl_seconds":{ttl}}}',
        ("POST", "/cache/report:set"): f'{{"values":{{"a":1}},"ttl_seconds":{ttl}}}',
        ("POST", f"{PATH}/compute"): f'{{"compute_seconds":{ttl}}}',
    }

    answers = [_send(owner, method, path, body) for (method, path), body in bodies.items()]

    assert answers == [(400, "invalid-ttl")] * 3


@pytest.mark.parametrize("stale", ["-1", "2592001", "1e308"])
def test_a_time_of_being_stale_that_is_none_is_refused(owner: Caller, stale: str) -> None:
    body = f'{{"value":1,"ttl_seconds":60,"stale_seconds":{stale}}}'

    assert _send(owner, "PUT", PATH, body) == (400, "invalid-ttl")


@pytest.mark.parametrize("text", NO_NUMBERS)
def test_a_time_that_is_no_number_is_invalid(owner: Caller, text: str) -> None:
    assert _send(owner, "PUT", PATH, f'{{"value":1,"ttl_seconds":{text}}}') == (422, "invalid")
    assert _send(owner, "PUT", PATH, f'{{"value":1,"ttl_seconds":1,"stale_seconds":{text}}}') == (422, "invalid")
    assert _send(owner, "POST", f"{PATH}/compute", f'{{"compute_seconds":{text}}}') == (422, "invalid")


@pytest.mark.parametrize("body", ["{}", '{"ttl_seconds":60}', '{"value":1}', '{"value":1,"ttl_seconds":60,"token":""}'])
def test_a_body_of_another_form_is_invalid(owner: Caller, body: str) -> None:
    assert _send(owner, "PUT", PATH, body) == (422, "invalid")


@pytest.mark.parametrize("text", ["NaN", "Infinity", "1e400", "word", '"\\ud800"', '"\\u0000"', '{"a":1,"a":2}'])
def test_a_value_that_is_not_strict_json_is_refused(owner: Caller, text: str) -> None:
    assert _send(owner, "PUT", PATH, f'{{"ttl_seconds":60,"value":{text}}}') == (400, "invalid-json")


@pytest.mark.parametrize(("length", "refused"), [(512 * 1024, None), (512 * 1024 + 1, 400), (8 * 1024 * 1024, 400)])
def test_a_value_beyond_512_kibibytes_is_refused(owner: Caller, length: int, refused: int | None) -> None:
    text = '"' + "x" * (length - 2) + '"'

    answer = _send(owner, "PUT", PATH, f'{{"ttl_seconds":60,"value":{text}}}')

    assert answer == ((refused, "value-too-large") if refused else (200, ""))


def test_values_beyond_4_mebibytes_at_once_are_refused(owner: Caller) -> None:
    values = ",".join(f'"{number}":"{"x" * 500_000}"' for number in range(9))

    answer = _send(owner, "POST", "/cache/report:set", f'{{"values":{{{values}}},"ttl_seconds":60}}')

    assert answer == (400, "value-too-large")


@pytest.mark.parametrize(("batch", "body"), BATCHES)
@pytest.mark.parametrize("count", [0, 100, 101])
def test_at_most_100_names_are_taken_at_once(owner: Caller, batch: str, body: str, count: int) -> None:
    names = [f'"{number}"' for number in range(count)]
    body = body.replace("NAMES", ",".join(names)).replace("VALUES", ",".join(f"{name}:1" for name in names))

    answer = _send(owner, "POST", f"/cache/report:{batch}", body)

    assert answer == ((400, "batch-too-large") if count > 100 else (204 if batch == "delete" else 200, ""))


@pytest.fixture(params=["killed", "paused"])
def gone(request: pytest.FixtureRequest, valkey: ValkeyServer, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """The service with a Valkey of its own, which does not answer."""
    with connected(valkey) as connection:
        monkeypatch.setattr(shared, "connection", connection)
        if request.param == "killed":
            valkey.kill()
        else:
            valkey.pause()
        yield
        if request.param == "paused":
            valkey.resume()


def _body(answer: Any) -> dict[str, Any]:
    return {name: value for name, value in answer.json.items() if value is not None}


@pytest.mark.usefixtures("gone")
def test_without_valkey_nothing_is_found_and_that_is_told(owner: Caller) -> None:
    one, many = owner.get(PATH), owner.post("/cache/report:get", {"names": ["daily"]})

    assert (one.status, one.code) == (404, "cache-unavailable")
    assert (many.status, many.json) == (200, {"entries": {}, "left_out": [], "available": False})


@pytest.mark.usefixtures("gone")
def test_without_valkey_nothing_is_stored_and_that_is_told(owner: Caller) -> None:
    one = owner.put(PATH, {"value": 1, "ttl_seconds": 60})
    many = owner.post("/cache/report:set", {"values": {"daily": 1}, "ttl_seconds": 60})

    assert [one.json, many.json] == [{"stored": False, "available": False}] * 2


@pytest.mark.usefixtures("gone")
def test_without_valkey_a_deletion_is_refused(owner: Caller) -> None:
    answers = owner.delete(PATH), owner.post("/cache/report:delete", {"names": ["daily"]})

    assert [(answer.status, answer.code) for answer in answers] == [(503, "valkey-unavailable")] * 2


@pytest.mark.usefixtures("gone")
def test_without_valkey_every_caller_computes(owner: Caller) -> None:
    turns = [owner.post(f"{PATH}/compute", {"compute_seconds": 60}) for _ in range(2)]

    assert [_body(turn) for turn in turns] == [{"status": "compute", "available": False}] * 2
    assert owner.post(f"{PATH}/compute/release", {"token": "t"}).status == 204


@pytest.mark.parametrize("body", ["{}", '{"token":null}', '{"token":""}', '{"token":1}'])
def test_nobody_gives_up_without_a_token(owner: Caller, body: str) -> None:
    assert _send(owner, "POST", f"{PATH}/compute/release", body) == (422, "invalid")


def test_too_many_values_are_refused_before_any_is_written_out(owner: Caller) -> None:
    """The first one is too large, which is told only where it is looked at."""
    values = ",".join([f'"0":"{"x" * 600_000}"', *(f'"{number}":1' for number in range(1, 101))])

    answer = _send(owner, "POST", "/cache/report:set", f'{{"values":{{{values}}},"ttl_seconds":60}}')

    assert answer == (400, "batch-too-large")
