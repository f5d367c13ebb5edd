"""The cache over HTTP."""

import uuid

import pytest

from api import documents
from api.models import IdempotentAnswer
from coordination import keys, shared
from coordination.cache import Cache
from orgs import tenancy
from orgs.models import Organization
from tests.coordination.caching import until
from tests.factories import Caller

PATH = "/cache/report/daily"
TEXTS = [
    "null", "false", "1.0", "1.10", "-0.0", "12345678901234567890.1234567890", "9" * 400, '"\u00fc \\""', "[]",
    "{}", '{"a":[1.0,{"b":null,"":[[]]}],"c":2.50}', '"\\",\\"value\\":"',
]  # fmt: skip
# What is the same value in other letters.
OTHER_TEXTS = ["-0", "1e2", "0.1e-5", '"\\u00fc \\ud83d\\ude00"', "[ 1 , 2.0 ]"]


def _put(owner: Caller, text: str, path: str = PATH) -> int:
    body = f'{{"ttl_seconds": 60, "value": {text}}}'.encode()
    return owner.put(path, body, Content_Type="application/json").status


def _value(raw: bytes) -> bytes:
    return raw.partition(b'"value":')[2].partition(b',"fresh"')[0]


def test_what_is_stored_is_found(owner: Caller) -> None:
    stored = owner.put(PATH, {"value": {"a": 1}, "ttl_seconds": 60})

    found = owner.get(PATH)

    assert (stored.status, stored.json) == (200, {"stored": True, "available": True})
    assert found.status == 200
    assert (found.json["value"], found.json["fresh"]) == ({"a": 1}, True)
    assert 50 < found.json["expires_in_seconds"] <= 60


@pytest.mark.parametrize("text", TEXTS, ids=lambda text: text[:20])
def test_a_value_comes_back_to_the_letter(owner: Caller, text: str) -> None:
    assert _put(owner, text) == 200

    assert _value(owner.get(PATH).raw) == text.encode()


@pytest.mark.parametrize("text", OTHER_TEXTS)
def test_a_value_comes_back_as_every_document_does(owner: Caller, text: str) -> None:
    assert _put(owner, text) == 200

    assert _value(owner.get(PATH).raw) == documents.dumps(documents.parse(text.encode())).encode()


def test_a_number_that_no_reader_can_hold_is_refused(owner: Caller) -> None:
    assert _put(owner, "1E400") == 400


def test_what_a_program_stores_is_found_over_http_and_the_other_way_round(
    owner: Caller, organization: Organization
) -> None:
    cache = Cache(shared.connection, organization.id)
    cache.set("report", "of a program", [1.0, None, "\x00"], 60)
    owner.put("/cache/report/of%20http", {"value": [2.5], "ttl_seconds": 60})

    over_http, in_program = owner.get("/cache/report/of%20a%20program"), cache.get("report", "of http")

    assert _value(over_http.raw) == b'[1.0,null,"\\u0000"]'
    assert in_program is not None
    assert in_program.value == [2.5]


def test_a_stale_value_is_told_as_such(owner: Caller) -> None:
    owner.put(PATH, {"value": 1, "ttl_seconds": 0.001, "stale_seconds": 60})

    until(lambda: not owner.get(PATH).json["fresh"])

    assert owner.get(PATH).json == {"value": 1, "fresh": False, "expires_in_seconds": 0}


def test_a_miss_is_not_found_and_a_cached_null_is(owner: Caller) -> None:
    missed = owner.get(PATH)
    owner.put(PATH, {"value": None, "ttl_seconds": 60})

    found = owner.get(PATH)

    assert (missed.status, missed.code) == (404, "not-found")
    assert (found.status, found.json["value"]) == (200, None)


def test_what_is_deleted_is_not_found(owner: Caller) -> None:
    owner.put(PATH, {"value": 1, "ttl_seconds": 60})

    deleted = [owner.delete(PATH).status, owner.delete(PATH).status]

    assert deleted == [204, 204]
    assert owner.get(PATH).status == 404


def test_an_outsider_sees_a_miss_and_changes_nothing(owner: Caller, outsider: Caller) -> None:
    owner.put(PATH, {"value": "owner's", "ttl_seconds": 60})

    seen = [outsider.get(PATH).status, outsider.post("/cache/report:get", {"names": ["daily"]}).json["entries"]]
    outsider.put(PATH, {"value": "theirs", "ttl_seconds": 60})
    outsider.delete(PATH)

    assert seen == [404, {}]
    assert owner.get(PATH).json["value"] == "owner's"


def test_many_are_stored_found_and_deleted_at_once(owner: Caller) -> None:
    values = {"a": 1, "b/c": None, "d:e": [2]}

    stored = owner.post("/cache/report:set", {"values": values, "ttl_seconds": 60})
    found = owner.post("/cache/report:get", {"names": ["a", "b/c", "d:e", "missing"]})
    deleted = owner.post("/cache/report:delete", {"names": ["a", "b/c"]})
    left = owner.post("/cache/report:get", {"names": ["a", "b/c", "d:e"]})

    assert (stored.json, deleted.status) == ({"stored": True, "available": True}, 204)
    assert {name: entry["value"] for name, entry in found.json["entries"].items()} == values
    assert (found.json["left_out"], found.json["available"]) == ([], True)
    assert list(left.json["entries"]) == ["d:e"]


def test_what_an_answer_has_no_room_for_is_named_and_asked_for_again(owner: Caller) -> None:
    wanted = [f"{number}" for number in range(12)]
    for name in wanted:
        owner.put(f"/cache/report/{name}", {"value": "x" * 500_000, "ttl_seconds": 60})

    first = owner.post("/cache/report:get", {"names": wanted}).json
    second = owner.post("/cache/report:get", {"names": first["left_out"]}).json

    assert first["left_out"]
    assert [*first["entries"], *second["entries"]] == wanted
    assert second["left_out"] == []


@pytest.mark.parametrize("name", ["get", "set", "compute", "report:get", "\u00fc", "%20", "a.b", "{a}", "\u200b"])
def test_a_name_is_any_text(owner: Caller, name: str) -> None:
    path = f"/cache/report/{name}"
    owner.put(path, {"value": name, "ttl_seconds": 60})

    assert owner.get(path).json["value"] == name


def test_one_caller_computes_and_the_others_are_told_so(owner: Caller) -> None:
    first = owner.post(f"{PATH}/compute", {"compute_seconds": 60}).json
    second = owner.post(f"{PATH}/compute", {"compute_seconds": 60}).json
    stored = owner.put(PATH, {"value": 1.5, "ttl_seconds": 60, "token": first["token"]}).json
    third = owner.post(f"{PATH}/compute", {"compute_seconds": 60}).json

    assert (first["status"], second["status"], third["status"]) == ("compute", "pending", "hit")
    assert (second["token"], 50 < second["ends_in_seconds"] <= 60) == (None, True)
    assert stored == {"stored": True, "available": True}
    assert third["value"] == 1.5


def test_while_one_computes_the_others_have_the_stale_value(owner: Caller) -> None:
    owner.put(PATH, {"value": "old", "ttl_seconds": 0.001, "stale_seconds": 60})
    until(lambda: not owner.get(PATH).json["fresh"])

    first, second = (owner.post(f"{PATH}/compute", {"compute_seconds": 60}).json for _ in range(2))

    assert (first["status"], first["value"]) == ("compute", None)
    assert (second["status"], second["value"]) == ("stale", "old")


def test_whoever_gives_up_leaves_it_to_the_next(owner: Caller) -> None:
    token = owner.post(f"{PATH}/compute", {"compute_seconds": 60}).json["token"]

    given_up = [owner.post(f"{PATH}/compute/release", {"token": token}).status for _ in range(2)]

    assert given_up == [204, 204]
    assert owner.post(f"{PATH}/compute", {"compute_seconds": 60}).json["status"] == "compute"


def test_with_another_token_nobody_gives_up_for_the_holder(owner: Caller, outsider: Caller) -> None:
    token = owner.post(f"{PATH}/compute", {"compute_seconds": 60}).json["token"]

    owner.post(f"{PATH}/compute/release", {"token": uuid.uuid4().hex})
    outsider.post(f"{PATH}/compute/release", {"token": token})

    assert owner.post(f"{PATH}/compute", {"compute_seconds": 60}).json["status"] == "pending"


def test_a_value_under_a_lease_that_is_over_is_not_stored(owner: Caller, organization: Organization) -> None:
    token = owner.post(f"{PATH}/compute", {"compute_seconds": 0.01}).json["token"]
    lease = keys.computing(organization.id, "report", "daily")
    until(lambda: not shared.connection.client().exists(lease))

    late = owner.put(PATH, {"value": "late", "ttl_seconds": 60, "token": token})

    assert late.json == {"stored": False, "available": True}
    assert owner.get(PATH).status == 404


def test_a_deletion_takes_the_lease_away(owner: Caller) -> None:
    token = owner.post(f"{PATH}/compute", {"compute_seconds": 60}).json["token"]
    owner.delete(PATH)

    stored = owner.put(PATH, {"value": "old", "ttl_seconds": 60, "token": token})

    assert stored.json["stored"] is False


def test_a_read_of_many_names_is_done_anew_whatever_its_key(owner: Caller, organization: Organization) -> None:
    sent = {"names": ["daily"]}
    before = owner.post("/cache/report:get", sent, Idempotency_Key="k1")
    _put(owner, "1")

    after = owner.post("/cache/report:get", sent, Idempotency_Key="k1")

    assert (before.json["entries"], after.json["entries"]["daily"]["value"]) == ({}, 1)
    assert "Idempotency-Replayed" not in after.headers
    with tenancy.organization(organization.id):
        assert not IdempotentAnswer.objects.filter(organization_id=organization.id).exists()
