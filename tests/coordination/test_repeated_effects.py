"""What an Idempotency-Key is worth where the answer could not be kept: what was done in Valkey is not done again."""

from collections.abc import Iterator
from contextlib import contextmanager

import pytest
from django.db import connection, connections

from coordination import keys
from coordination.shared import connection as shared
from orgs.models import Organization
from tests.coordination.locking import until
from tests.factories import Answer, Caller
from tests.orgs.servers import connected_as

PUSH = "/queues/mail/push"
ACQUIRE = "/locks/report/daily/acquire"
COMPUTE = "/cache/report/daily/compute"
MESSAGES = {"messages": [{"body": 1}, {"body": 2}, {"body": 3, "delay_seconds": 60}]}


@contextmanager
def _nothing_kept() -> Iterator[None]:
    """Have another connection keep the table of answers from being written, and this one give up soon."""
    own = connection.settings_dict
    with connected_as(str(own["USER"]), str(own["PASSWORD"])) as alias, connections[alias].cursor() as cursor:
        cursor.execute("BEGIN")
        cursor.execute("LOCK TABLE api_idempotentanswer IN SHARE MODE")
        with connection.cursor() as serving:
            serving.execute("SET lock_timeout = '100ms'")
        try:
            yield
        finally:
            cursor.execute("ROLLBACK")
            connection.close()


def _lost(caller: Caller, path: str, body: object, key: str = "k1") -> None:
    """Send a call whose answer cannot be kept."""
    with _nothing_kept():
        answer = caller.post(path, body, Idempotency_Key=key)
    assert (answer.status, answer.code) == (503, "database-busy"), answer


def _counts(caller: Caller) -> dict[str, int]:
    shown = caller.get("/queues/mail").json
    return {name: shown[name] for name in ("ready", "delayed")}


def _refusal(answer: Answer) -> tuple[int, str]:
    return answer.status, answer.code


def test_a_push_that_is_repeated_after_its_answer_was_not_kept_pushes_once(owner: Caller) -> None:
    _lost(owner, PUSH, MESSAGES)
    _lost(owner, PUSH, MESSAGES)

    answer = owner.post(PUSH, MESSAGES, Idempotency_Key="k1")

    assert answer.status == 201
    assert _counts(owner) == {"ready": 2, "delayed": 1}
    popped = owner.post("/queues/mail/pop", {"count": 10}).json["items"]
    assert [one["id"] for one in popped] == answer.json["ids"][:2]


def test_a_push_that_is_repeated_into_a_full_queue_is_answered_as_done(owner: Caller) -> None:
    owner.put("/queues/mail", {"max_length": 3})
    _lost(owner, PUSH, MESSAGES)

    answer = owner.post(PUSH, MESSAGES, Idempotency_Key="k1")

    assert answer.status == 201
    assert _counts(owner) == {"ready": 2, "delayed": 1}


def test_other_messages_under_the_key_of_a_push_are_refused(owner: Caller) -> None:
    _lost(owner, PUSH, MESSAGES)

    answer = owner.post(PUSH, {"messages": [{"body": 4}]}, Idempotency_Key="k1")

    assert _refusal(answer) == (422, "idempotency-key-reused")
    assert _counts(owner) == {"ready": 2, "delayed": 1}


def test_pushes_with_other_keys_and_of_others_are_pushes_of_their_own(owner: Caller, member: Caller) -> None:
    _lost(owner, PUSH, MESSAGES)

    ids = [
        caller.post(PUSH, MESSAGES, Idempotency_Key=key).json["ids"]
        for caller, key in [(owner, "k1"), (owner, "k2"), (member, "k1")]
    ]

    assert len({id_ for pushed in ids for id_ in pushed}) == 9
    assert _counts(owner) == {"ready": 6, "delayed": 3}


def test_a_batch_that_comes_due_at_once_keeps_its_order(owner: Caller) -> None:
    bodies = list(range(20))
    sent = {"messages": [{"body": body, "delay_seconds": 0.001} for body in bodies]}

    owner.post(PUSH, sent, Idempotency_Key="k1")

    until(lambda: _counts(owner)["ready"] == len(bodies))
    popped = owner.post("/queues/mail/pop", {"count": 100}).json["items"]
    assert [one["body"] for one in popped] == bodies


def test_what_a_push_leaves_behind_ends_with_the_kept_answer(owner: Caller, organization: Organization) -> None:
    owner.post(PUSH, MESSAGES, Idempotency_Key="k1")

    client = shared.client()
    [left] = client.scan_iter(keys.pushed(organization.id, "mail", "*"), count=10_000)
    assert 86_300 < client.ttl(left) <= 86_400


def test_an_acquisition_that_is_repeated_after_its_answer_was_not_kept_is_the_same_lock(owner: Caller) -> None:
    _lost(owner, ACQUIRE, {"ttl_seconds": 86_400})
    number = owner.get("/locks/report/daily").json["fencing_number"]

    answer = owner.post(ACQUIRE, {"ttl_seconds": 86_400}, Idempotency_Key="k1")

    assert (answer.status, answer.json["fencing_number"]) == (200, number)
    released = owner.post("/locks/report/daily/release", {"token": answer.json["token"]})
    assert released.status == 204


def test_another_key_or_credential_does_not_hold_the_lock(owner: Caller, member: Caller) -> None:
    _lost(owner, ACQUIRE, {"ttl_seconds": 60})

    callers = [(owner, "k2"), (member, "k1")]
    refused = [caller.post(ACQUIRE, {"ttl_seconds": 60}, Idempotency_Key=key) for caller, key in callers]

    assert [_refusal(answer) for answer in refused] == [(409, "lock-held")] * 2


@pytest.mark.parametrize("other", ["/locks/report/weekly/acquire", "/locks/other/daily/acquire"])
def test_the_token_of_one_lock_is_none_of_another(owner: Caller, other: str) -> None:
    _lost(owner, ACQUIRE, {"ttl_seconds": 60})
    token = owner.post(other, {"ttl_seconds": 60}, Idempotency_Key="k1").json["token"]

    answer = owner.post("/locks/report/daily/release", {"token": token})

    assert _refusal(answer) == (409, "lock-lost")


def test_a_turn_that_is_asked_for_again_after_its_answer_was_not_kept_is_the_callers(owner: Caller) -> None:
    _lost(owner, COMPUTE, {"compute_seconds": 600})

    answer = owner.post(COMPUTE, {"compute_seconds": 600}, Idempotency_Key="k1")

    assert answer.json["status"] == "compute"
    stored = owner.put("/cache/report/daily", {"value": 1, "ttl_seconds": 60, "token": answer.json["token"]})
    assert stored.json["stored"]
