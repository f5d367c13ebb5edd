"""Queues over HTTP: what comes back, and every refusal with its code."""

from typing import Any
from urllib.parse import quote

import pytest
from pytest_django import Settings as DjangoSettings

from coordination.queues import Queues
from coordination.shared import connection
from orgs.models import Organization
from tests.coordination.servers import free_port
from tests.factories import Answer, Caller

HOSTILE = ["{queue}", "a:b:c", "\U0001f600 {}", "%s", "..", "a b", "x" * 200]
DOCUMENT = '{"z":1,"a":[null,true,"ä😀\\u2028"],"n":9007199254740993,"d":1.10,"e":-0.0}'


def _push(caller: Caller, *bodies: Any, queue: str = "mail", **fields: Any) -> list[str]:
    answer = caller.post(f"/queues/{queue}/push", {"messages": [{"body": body, **fields} for body in bodies]})
    assert answer.status == 201, answer
    ids: list[str] = answer.json["ids"]
    return ids


def _pop(caller: Caller, queue: str = "mail", **fields: Any) -> list[dict[str, Any]]:
    answer = caller.post(f"/queues/{queue}/pop", fields)
    assert answer.status == 200, answer
    items: list[dict[str, Any]] = answer.json["items"]
    return items


def _refusal(answer: Answer) -> tuple[int, str]:
    return answer.status, answer.code


def _dead(caller: Caller, count: int = 1) -> None:
    """Have messages that are dead."""
    caller.put("/queues/mail", {"max_attempts": 1})
    _push(caller, *range(count))
    for message in _pop(caller, count=100):
        caller.post("/queues/mail/nack", {"receipt": message["receipt"]})


def test_a_message_goes_from_push_to_ack(owner: Caller) -> None:
    [pushed] = _push(owner, {"to": "a@example.com"})

    [message] = _pop(owner, visibility_seconds=60)
    acked = owner.post("/queues/mail/ack", {"receipts": [message["receipt"]]})

    assert (message["id"], message["body"], message["attempts"]) == (pushed, {"to": "a@example.com"}, 1)
    assert message["pushed_at"] < message["visible_at"]
    assert acked.json == {"acked": 1, "results": [True]}
    assert owner.get("/queues/mail").json["in_flight"] == 0


def test_a_body_comes_back_as_it_was_sent(owner: Caller) -> None:
    raw = f'{{"messages":[{{"body":{DOCUMENT}}}]}}'.encode()
    assert owner.post("/queues/mail/push", raw).status == 201

    peeked, popped = owner.get("/queues/mail/peek"), owner.post("/queues/mail/pop", {})

    assert DOCUMENT.replace("\\u2028", "\u2028").encode() in peeked.raw
    assert DOCUMENT.replace("\\u2028", "\u2028").encode() in popped.raw


def test_an_empty_queue_tells_when_something_is_due(owner: Caller) -> None:
    nothing = owner.post("/queues/mail/pop", {}).json
    _push(owner, 1, delay_seconds=60)

    delayed = owner.post("/queues/mail/pop", {}).json

    assert nothing == {"items": [], "due_in_seconds": None}
    assert delayed["items"] == []
    assert 50 < delayed["due_in_seconds"] <= 60


def test_an_ack_that_is_sent_again_is_answered_alike_but_for_the_count(owner: Caller) -> None:
    _push(owner, 1)
    body = {"receipts": [_pop(owner)[0]["receipt"]]}
    owner.post("/queues/mail/ack", body)

    assert owner.post("/queues/mail/ack", body).json == {"acked": 0, "results": [False]}


@pytest.mark.parametrize("verb", ["ack", "nack", "extend"])
def test_a_stale_receipt_is_refused(owner: Caller, verb: str) -> None:
    _push(owner, 1)
    [early] = _pop(owner, visibility_seconds=0.001)
    while not _pop(owner):
        pass
    bodies: dict[str, Any] = {
        "ack": {"receipts": [early["receipt"]]},
        "nack": {"receipt": early["receipt"]},
        "extend": {"receipt": early["receipt"], "visibility_seconds": 60},
    }

    answer = owner.post(f"/queues/mail/{verb}", bodies[verb])

    assert _refusal(answer) == (409, "receipt-stale")
    assert early["receipt"] in answer.json["detail"]


def test_a_message_is_given_back_extended_and_dead(owner: Caller) -> None:
    owner.put("/queues/mail", {"max_attempts": 2})
    _push(owner, 1)
    [message] = _pop(owner)

    extended = owner.post("/queues/mail/extend", {"receipt": message["receipt"], "visibility_seconds": 3600})
    nacked = owner.post("/queues/mail/nack", {"receipt": message["receipt"], "delay_seconds": 0})
    repeated = owner.post("/queues/mail/nack", {"receipt": message["receipt"], "delay_seconds": 0})
    [again] = _pop(owner)
    dead = owner.post("/queues/mail/nack", {"receipt": again["receipt"]})

    assert extended.json["visible_at"] > message["visible_at"]
    assert [answer.json["state"] for answer in (nacked, repeated, dead)] == ["ready", "gone", "dead"]


def test_dead_letters_are_listed_in_pages_redriven_and_purged(owner: Caller) -> None:
    _dead(owner, 3)

    first = owner.get("/queues/mail/dead?limit=2").json
    second = owner.get(f"/queues/mail/dead?limit=2&cursor={first['next_cursor']}").json
    one = owner.post("/queues/mail/redrive", {"receipts": [second["items"][0]["receipt"]]}).json
    purged = owner.post("/queues/mail/purge", {"what": "dead"}).json

    assert [item["body"] for item in first["items"] + second["items"]] == [0, 1, 2]
    assert first["items"][0]["reason"] == "nacked"
    assert second["next_cursor"] is None
    assert (one, purged) == ({"redriven": 1, "left": 2}, {"purged": 2, "left": 0})
    assert [message["body"] for message in _pop(owner)] == [2]


def test_a_cursor_of_another_queue_is_refused(owner: Caller) -> None:
    _dead(owner, 2)
    cursor = owner.get("/queues/mail/dead?limit=1").json["next_cursor"]
    _push(owner, 1, queue="other")

    assert _refusal(owner.get(f"/queues/other/dead?cursor={cursor}")) == (422, "invalid-cursor")


def test_a_queue_tells_its_lengths_and_settings(owner: Caller) -> None:
    owner.put("/queues/mail", {"max_length": 10, "visibility_seconds": 0.5})
    _push(owner, 1, 2)
    _push(owner, 3, delay_seconds=60)

    found = owner.get("/queues/mail").json

    assert found.pop("oldest_seconds") < 60
    assert found == {
        "name": "mail",
        "ready": 2,
        "delayed": 1,
        "in_flight": 0,
        "dead": 0,
        "settings": {"max_length": 10, "max_message_bytes": 262144, "max_attempts": 5, "visibility_seconds": 0.5},
    }


def test_queues_are_listed_in_pages(owner: Caller) -> None:
    for name in "cab":
        _push(owner, 1, queue=name)

    first = owner.get("/queues?limit=2").json
    second = owner.get(f"/queues?limit=2&cursor={first['next_cursor']}").json

    assert [item["name"] for item in first["items"] + second["items"]] == ["a", "b", "c"]
    assert second["next_cursor"] is None


@pytest.mark.parametrize("name", HOSTILE, ids=range(len(HOSTILE)))
def test_any_text_is_a_name(owner: Caller, organization: Organization, name: str) -> None:
    _push(owner, 1, queue=quote(name, safe=""))

    assert Queues(connection, organization.id).names() == [name]
    assert [item["name"] for item in owner.get("/queues").json["items"]] == [name]
    assert owner.delete(f"/queues/{quote(name, safe='')}").status == 204


@pytest.mark.parametrize("name", ["%00", "a%0Ab", "%E2%80%A8", "x" * 201, "%C2%9F"])
def test_a_name_with_control_characters_or_too_long_is_refused(owner: Caller, name: str) -> None:
    answers = [
        owner.post(f"/queues/{name}/push", {"messages": [{"body": 1}]}),
        owner.post(f"/queues/{name}/pop", {}),
        owner.get(f"/queues/{name}"),
        owner.put(f"/queues/{name}", {}),
        owner.delete(f"/queues/{name}"),
    ]

    assert {_refusal(answer) for answer in answers} == {(400, "invalid-name")}


@pytest.mark.parametrize(
    ("verb", "body"),
    [
        ("push", {"messages": [{"body": 1, "delay_seconds": -1}]}),
        ("push", {"messages": [{"body": 1, "delay_seconds": 2592001}]}),
        ("push", b'{"messages":[{"body":1,"delay_seconds":1e308}]}'),
        ("push", b'{"messages":[{"body":1,"delay_seconds":' + b"9" * 4000 + b"}]}"),
        ("pop", {"visibility_seconds": 0}),
        ("pop", {"visibility_seconds": 43201}),
        ("nack", {"receipt": "1-0:1", "delay_seconds": -0.5}),
        ("extend", {"receipt": "1-0:1", "visibility_seconds": 0}),
        ("extend", {"receipt": "1-0:1", "visibility_seconds": -1}),
    ],
    ids=range(9),
)
def test_a_time_out_of_bounds_is_refused(owner: Caller, verb: str, body: Any) -> None:
    _push(owner, 1)

    answer = owner.post(f"/queues/mail/{verb}", body)

    assert _refusal(answer) == (400, "invalid-ttl")
    assert answer.json["detail"].split("_")[0] in ("The delay", "The visibility")


def test_a_visibility_of_the_queue_out_of_bounds_is_refused(owner: Caller) -> None:
    assert _refusal(owner.put("/queues/mail", {"visibility_seconds": 0})) == (400, "invalid-ttl")


@pytest.mark.parametrize("receipt", ["", "x", "1-0", "1-0:", "99999999999999999999-0:1", "1-0:1 "])
def test_what_is_no_receipt_is_refused(owner: Caller, receipt: str) -> None:
    _push(owner, 1)

    answers = [
        owner.post("/queues/mail/ack", {"receipts": [receipt]}),
        owner.post("/queues/mail/nack", {"receipt": receipt}),
        owner.post("/queues/mail/extend", {"receipt": receipt, "visibility_seconds": 1}),
    ]

    assert {_refusal(answer) for answer in answers} == {(400, "invalid-receipt")}


def test_a_message_larger_than_the_queue_takes_is_refused(owner: Caller) -> None:
    answer = owner.post("/queues/mail/push", {"messages": [{"body": "x" * 262143}]})

    assert _refusal(answer) == (400, "value-too-large")
    assert _push(owner, "x" * 262142)


def test_a_push_of_more_than_4_mebibytes_is_refused(owner: Caller) -> None:
    answer = owner.post("/queues/mail/push", {"messages": [{"body": "x" * 250_000}] * 17})

    assert _refusal(answer) == (400, "value-too-large")


def test_a_body_of_more_than_5_mebibytes_is_refused_as_its_messages_are(owner: Caller) -> None:
    answer = owner.post("/queues/mail/push", b" " * (5 * 1024 * 1024 + 1))

    assert _refusal(answer) == (400, "value-too-large")


def test_a_full_queue_refuses(owner: Caller) -> None:
    owner.put("/queues/mail", {"max_length": 1})
    _push(owner, 1)

    answer = owner.post("/queues/mail/push", {"messages": [{"body": 2}]})

    assert _refusal(answer) == (409, "queue-full")


def test_a_queue_too_many_is_refused(owner: Caller, organization: Organization) -> None:
    names = {f"queue-{number}": 0 for number in range(1000)}
    connection.client().zadd(f"{{{organization.id}}}:queues", names)

    answers = [
        owner.post("/queues/more/push", {"messages": [{"body": 2}]}),
        owner.put("/queues/more", {}),
    ]

    assert {_refusal(answer) for answer in answers} == {(409, "limit-reached")}


@pytest.mark.parametrize(
    ("verb", "body"),
    [
        ("push", {"messages": []}),
        ("push", {"messages": [{"body": 1}] * 101}),
        ("push", {"messages": [{}]}),
        ("push", {"messages": [{"body": 1, "surprise": 1}]}),
        ("pop", {"count": 0}),
        ("pop", {"count": 101}),
        ("ack", {"receipts": []}),
        ("ack", {"receipts": ["1-0:1"] * 101}),
        ("redrive", {"receipts": []}),
        ("redrive", {"receipts": None}),
        ("redrive", {"limit": 101}),
        ("purge", {"what": "everything"}),
        ("purge", {}),
    ],
    ids=range(13),
)
def test_a_body_of_another_form_is_refused(owner: Caller, verb: str, body: Any) -> None:
    _push(owner, 1)

    assert _refusal(owner.post(f"/queues/mail/{verb}", body)) == (422, "invalid")


@pytest.mark.parametrize(
    "settings",
    [{"max_length": 0}, {"max_length": 10**8}, {"max_attempts": 1001}, {"max_message_bytes": 2**20 + 1}],
    ids=str,
)
def test_settings_out_of_bounds_are_refused(owner: Caller, settings: dict[str, int]) -> None:
    assert _refusal(owner.put("/queues/mail", settings)) == (422, "invalid")


def test_a_pop_of_a_queue_that_is_not_there_yet_finds_nothing(owner: Caller) -> None:
    assert _pop(owner) == []
    assert owner.get("/queues").json["items"] == []


def test_a_push_is_repeated_by_its_key_and_pushed_once(owner: Caller) -> None:
    body = {"messages": [{"body": 1}]}

    answers = [owner.post("/queues/mail/push", body, Idempotency_Key="once") for _ in range(2)]

    assert answers[0].json == answers[1].json
    assert len(_pop(owner, count=10)) == 1


def test_without_valkey_a_call_is_refused_and_said_to_be(owner: Caller, settings: DjangoSettings) -> None:
    settings.CACHES = {
        "default": {**settings.CACHES["default"], "LOCATION": f"redis://127.0.0.1:{free_port()}/0"},
    }

    answers = [owner.post("/queues/mail/pop", {}), owner.get("/queues/mail"), owner.get("/queues")]

    assert {_refusal(answer) for answer in answers} == {(503, "valkey-unavailable")}


def test_a_pop_with_a_key_takes_no_more_than_is_kept_and_loses_nothing(owner: Caller) -> None:
    _push(owner, *("x" * 200_000 for _ in range(5)))

    first, again = (owner.post("/queues/mail/pop", {"count": 5}, Idempotency_Key="k1") for _ in range(2))

    assert len(first.json["items"]) == 3
    assert (again.headers["Idempotency-Replayed"], again.raw) == ("true", first.raw)
    assert len(_pop(owner, count=5)) == 2
