"""Idempotency-Key on every POST: done once, answered again."""

import json
import re
import uuid
from datetime import timedelta
from typing import Any

import pytest
from django.http import HttpResponse
from django.utils import timezone
from pytest_django import Settings

from api.idempotency import Repeatable, run_once
from api.models import IdempotentAnswer
from orgs import tenancy
from orgs.models import Agent, Organization
from tests import factories
from tests.api.scene import Operation, Scene, operations, operations_of
from tests.api.wire import send
from tests.factories import Answer, Caller

# What takes no body is a change that is the same however often it is asked for. And of the one that ends its own caller
# the repetition is refused with their key. What only reads looks at no key.
UNREPEATED = ("erase_me", "get_many_cached")
POSTS = [operation for operation in operations_of("POST") if operation.takes_body and operation.name not in UNREPEATED]
over_posts = pytest.mark.parametrize("operation", POSTS, ids=lambda operation: operation.name)
# What makes something new each time; the others work once, or only read.
NOT_AGAIN = ("accept_invitation", "rotate_api_key", "rotate_my_key", "rotate_own_key", "transfer_organization")
# What says the same of another call.
ALIKE = (
    *("look_up_invitation", "release_lock", "ack_messages", "nack_message", "redrive_messages"),
    *("set_many_cached", "delete_many_cached", "give_up_cached"),
)
over_makers = pytest.mark.parametrize(
    "operation", [one for one in POSTS if one.name not in (*NOT_AGAIN, *ALIKE)], ids=lambda one: one.name
)
# Where each listing of an organization is; together they show whether anything was done.
LISTINGS = [one for one in operations() if one.pages]


@pytest.fixture(autouse=True)
def _quick_passwords(settings: Settings) -> None:
    settings.PASSWORD_HASHERS = ["django.contrib.auth.hashers.MD5PasswordHasher"]


def _new_key() -> str:
    return f"key-{uuid.uuid4().hex}"


def _post(scene: Scene, operation: Operation, body: Any, key: str, caller: Caller | None = None) -> Answer:
    raw = body if isinstance(body, bytes) else json.dumps(body).encode()
    target = operation.at(scene.ids)
    return send("POST", target, raw, key=(caller or scene.owner).key, headers={"Idempotency-Key": key})


def _contents(scene: Scene) -> dict[str, list[Any]]:
    """Return all that the organization's listings hold, but when its keys were last used."""
    found = {one.name: scene.owner.get(f"{one.at(scene.ids)}?limit=100").json["items"] for one in LISTINGS}
    for row in found["list_api_keys"]:
        del row["last_used_at"]
    return found


def _rows(scene: Scene) -> list[IdempotentAnswer]:
    with tenancy.system():
        return list(IdempotentAnswer.objects.filter(organization_id=scene.ids["organization_id"]))


def _operation(name: str) -> Operation:
    return next(operation for operation in POSTS if operation.name == name)


@over_posts
def test_a_repeated_post_gives_the_same_answer_and_does_nothing_twice(scene: Scene, operation: Operation) -> None:
    body, key = scene.body(operation.name), _new_key()
    first = _post(scene, operation, body, key)
    contents = _contents(scene)

    second = _post(scene, operation, body, key)

    assert 200 <= first.status < 300
    assert "Idempotency-Replayed" not in first.headers
    assert second.headers["Idempotency-Replayed"] == "true"
    assert (second.status, second.raw) == (first.status, first.raw)
    assert [second.headers.get(name) for name in ("Content-Type", "ETag", "Location")] == [
        first.headers.get(name) for name in ("Content-Type", "ETag", "Location")
    ]
    assert _contents(scene) == contents


@pytest.mark.parametrize("name", NOT_AGAIN)
def test_without_a_key_what_works_once_is_refused_the_second_time(scene: Scene, name: str) -> None:
    operation, body = _operation(name), json.dumps(scene.body(name)).encode()

    answers = [send("POST", operation.at(scene.ids), body, key=scene.owner.key) for _ in range(2)]

    assert answers[0].status in (200, 201)
    assert answers[1].code in ("invitation-used", "api-key-rotated", "transfer-refused")


@over_makers
def test_without_a_key_a_repeated_post_is_another_call(scene: Scene, operation: Operation) -> None:
    first, second = (
        send("POST", operation.at(scene.ids), json.dumps(body).encode(), key=scene.owner.key)
        for body in (scene.body(operation.name), scene.body(operation.name))
    )

    assert first.status == second.status
    assert "Idempotency-Replayed" not in second.headers
    assert first.raw != second.raw


@over_posts
def test_the_same_key_with_another_body_is_refused(scene: Scene, operation: Operation) -> None:
    body, key = scene.body(operation.name), _new_key()
    raw = json.dumps(body).encode()
    _post(scene, operation, raw, key)
    contents = _contents(scene)

    answer = _post(scene, operation, raw + b" ", key)

    assert (answer.status, answer.code) == (422, "idempotency-key-reused")
    assert _contents(scene) == contents


def test_the_same_key_on_another_path_is_refused(scene: Scene) -> None:
    body, key = factories.text_message(), _new_key()
    other = scene.ids | {"task_id": factories.submit_task(scene.owner)["id"]}
    operation = _operation("append_message")
    _post(scene, operation, body, key)

    answer = _post(Scene(scene.owner, other), operation, body, key)

    assert (answer.status, answer.code) == (422, "idempotency-key-reused")


def test_a_key_is_not_shared_between_principals(scene: Scene, agent: Caller, member: Caller) -> None:
    body, key, operation = scene.body("create_session"), _new_key(), _operation("create_session")

    answers = [_post(scene, operation, body, key, caller) for caller in (scene.owner, agent, member)]

    assert len({answer.json["id"] for answer in answers}) == 3


def test_a_key_is_not_shared_between_organizations(scene: Scene, outsider: Caller) -> None:
    key, operation, body = _new_key(), _operation("create_session"), {"title": "same"}

    answers = [_post(scene, operation, body, key, caller) for caller in (scene.owner, outsider)]

    assert "Idempotency-Replayed" not in answers[1].headers
    assert answers[0].json["id"] != answers[1].json["id"]


def test_a_refused_call_is_not_kept(scene: Scene) -> None:
    key, operation, body = _new_key(), _operation("create_agent"), scene.body("create_agent")
    taken = factories.make_agent(_organization(scene), body["slug"])
    refused = _post(scene, operation, body, key)
    scene.owner.patch(f"/agents/{taken.id}", {"slug": f"moved-{uuid.uuid4().hex[:20]}"})

    answer = _post(scene, operation, body, key)

    assert (refused.status, refused.code) == (409, "slug-taken")
    assert answer.status == 201


def test_an_invalid_call_leaves_its_key_free_for_the_corrected_one(scene: Scene) -> None:
    key, operation = _new_key(), _operation("create_session")
    invalid = _post(scene, operation, {"surprise": 1}, key)

    assert invalid.status == 422
    assert _post(scene, operation, {"title": "right"}, key).status == 201


def test_what_a_refused_call_did_before_its_refusal_is_undone(organization: Organization) -> None:
    slug = f"agent-{uuid.uuid4().hex[:20]}"

    def work() -> HttpResponse:
        factories.make_agent(organization, slug)
        return HttpResponse(status=409)

    with tenancy.organization(organization.id):
        call = Repeatable(f"{organization.id}:test", _new_key(), "fingerprint")
        run_once(call, work, owner=lambda: (organization.id, organization.owner_id))

    with tenancy.organization(organization.id):
        assert not Agent.objects.filter(slug=slug).exists()


def test_a_call_without_the_scope_is_refused_even_when_an_answer_is_kept(
    scene: Scene, organization: Organization
) -> None:
    user = factories.make_member(organization)
    strong, weak = (
        Caller(factories.make_key(organization, user=user, scopes=(scope,)).text)
        for scope in ("sessions:write", "sessions:read")
    )
    key, operation = _new_key(), _operation("create_session")
    assert _post(scene, operation, {}, key, strong).status == 201

    answer = _post(scene, operation, {}, key, weak)

    assert (answer.status, answer.code) == (403, "scope-missing")


def test_after_a_day_a_key_makes_a_new_call(scene: Scene) -> None:
    key, operation = _new_key(), _operation("create_session")
    first = _post(scene, operation, {}, key)
    (kept,) = _rows(scene)
    assert timedelta(hours=23, minutes=59) < kept.expires_at - timezone.now() <= timedelta(hours=24)
    with tenancy.system():
        IdempotentAnswer.objects.filter(id=kept.id).update(expires_at=timezone.now())

    second = _post(scene, operation, {}, key)
    third = _post(scene, operation, {}, key)

    assert "Idempotency-Replayed" not in second.headers
    assert first.json["id"] != second.json["id"] == third.json["id"]


def test_a_key_on_a_put_means_nothing(scene: Scene) -> None:
    path = f"/sessions/{scene.ids['session_id']}/state"

    answers = [scene.owner.put(path, {"n": number}, Idempotency_Key="same") for number in (1, 2)]

    assert [answer.json["generation"] for answer in answers] == [2, 3]


def test_keys_of_any_visible_character_are_told_apart(scene: Scene) -> None:
    operation = _operation("create_session")
    keys = ["a", "A", "a" * 255, "a" * 254, '"a"', "~!@#$%^&*()", "a+b", "a-b"]

    made = {_post(scene, operation, {}, key).json["id"] for key in keys}

    assert len(made) == len(keys)


def test_a_stranger_cannot_get_the_answer_to_anothers_sign_up(scene: Scene) -> None:
    key, operation, body = _new_key(), _operation("sign_up"), scene.body("sign_up")
    first = _post(scene, operation, body, key)
    secret = first.json["api_key"]["key"]

    stranger = _post(scene, operation, scene.body("sign_up"), key)
    guesser = _post(scene, operation, body | {"password": "correct horse guessed"}, key)

    assert stranger.status == 201
    assert "Idempotency-Replayed" not in stranger.headers
    assert (guesser.status, guesser.code) == (422, "idempotency-key-reused")
    assert secret.encode() not in stranger.raw + guesser.raw


def test_a_repeated_sign_up_gives_the_key_again(scene: Scene) -> None:
    key, operation, body = _new_key(), _operation("sign_up"), scene.body("sign_up")

    first, second = (_post(scene, operation, body, key) for _ in range(2))

    assert second.headers["Idempotency-Replayed"] == "true"
    assert (
        Caller(second.json["api_key"]["key"]).get("/me").json["organization"]["id"] == first.json["organization"]["id"]
    )


@pytest.mark.parametrize("email", ["null", "1", "[]", '{"a":1}', '"\\ud83d\\ude00"'])
def test_a_sign_up_with_a_hostile_address_and_a_key_is_invalid(scene: Scene, email: str) -> None:
    answer = _post(scene, _operation("sign_up"), f'{{"email":{email}}}'.encode(), _new_key())

    assert (answer.status, answer.code) == (422, "invalid")


def test_what_is_kept_is_encrypted(scene: Scene) -> None:
    answer = _post(scene, _operation("create_api_key"), scene.body("create_api_key"), _new_key())

    (kept,) = _rows(scene)
    stored = json.dumps({name: str(value) for name, value in vars(kept).items()})
    assert re.fullmatch(r"[\w-]+\.\.[\w-]+\.[\w-]+\.[\w-]+", kept.answer)
    assert answer.json["key"] not in stored
    assert answer.json["key"].split("_")[2] not in stored


def test_a_kept_answer_outlives_the_rotation_of_the_secret_key(scene: Scene, settings: Settings) -> None:
    key, operation, body = _new_key(), _operation("create_api_key"), scene.body("create_api_key")
    first = _post(scene, operation, body, key)

    settings.SECRET_KEY_FALLBACKS = ["some other old key 0123456789abcdef", settings.SECRET_KEY]
    settings.SECRET_KEY = "a new and quite different key 0123"

    assert _post(scene, operation, body, key).json["key"] == first.json["key"]


def test_an_answer_under_a_lost_secret_key_is_said_to_be_lost_and_nothing_is_done_again(
    scene: Scene, settings: Settings
) -> None:
    key, operation, body = _new_key(), _operation("create_session"), scene.body("create_session")
    _post(scene, operation, body, key)
    before = scene.owner.get("/sessions").json["items"]

    settings.SECRET_KEY = "a new and quite different key 0123"
    answer = _post(scene, operation, body, key)

    assert (answer.status, answer.code) == (409, "idempotency-answer-unreadable")
    assert scene.owner.get("/sessions").json["items"] == before


def _organization(scene: Scene) -> Organization:
    with tenancy.system():
        return Organization.objects.get(id=scene.ids["organization_id"])
