"""If-Match and If-None-Match on every operation: honoured where the document tells of them, and nowhere else."""

from dataclasses import replace
from typing import Any

import pytest

from accounts.models import User
from config.api import api
from orgs import tenancy
from tests import factories
from tests.factories import API, Answer, Caller
from tests.service.calls import CALLS, Call, Operation, Scene, operations


def _described() -> dict[str, dict[str, Any]]:
    paths = api.get_openapi_schema(path_prefix=f"{API}/")["paths"]
    return {one["operationId"]: one for methods in paths.values() for one in methods.values()}


DESCRIBED = _described()
# The headers that the document tells of, by operation.
TOLD = {
    name: {found["name"] for found in one["parameters"] if found["in"] == "header"} for name, one in DESCRIBED.items()
}
WRITES = [name for name, operation in sorted(operations().items()) if operation.method != "GET"]
READS = [name for name, operation in sorted(operations().items()) if operation.method == "GET"]
CONDITIONAL = [name for name in WRITES if "If-Match" in TOLD[name]]
UNCONDITIONAL = [name for name in WRITES if "If-Match" not in TOLD[name]]
CHANGES = [name for name in CONDITIONAL if operations()[name].method != "POST"]
CREATES = [name for name in WRITES if name not in CHANGES and "If-None-Match" in TOLD[name]]
KNOWABLE = [name for name in READS if "If-None-Match" in TOLD[name]]
# They show more than their generation tells of; the ETag is for If-Match.
ALWAYS_SENT = ["get_api_key", "get_invitation", "get_member", "get_my_key", "me"]
UNKNOWABLE = [name for name in READS if "If-None-Match" not in TOLD[name] and name not in ALWAYS_SENT]


@pytest.fixture
def scene() -> Scene:
    return Scene()


def _prepared(name: str, scene: Scene) -> tuple[Operation, Call]:
    return operations()[name], CALLS[name](scene)


def _send(caller: Caller, operation: Operation, call: Call, **headers: str) -> Answer:
    return replace(call, headers=call.headers | headers).by(caller, operation)


def _current(scene: Scene, operation: Operation, call: Call) -> str:
    """Return the ETag of the subject that the operation's path names first, or is."""
    subject = operation.path[: operation.path.index("}") + 1] if operation.ids else operation.path
    return scene.owner.get(subject.format_map(call.ids)).headers["ETag"]


def test_every_change_of_something_that_has_a_tag_is_conditional() -> None:
    # A heartbeat moves the end of a lease, which is no new generation of its task. What coordination names has no tag.
    unconditional = {name for name in UNCONDITIONAL if operations()[name].ids and not operations()[name].names}

    assert unconditional == {"extend_lease"}


@pytest.mark.parametrize("name", CONDITIONAL)
def test_a_write_on_another_generation_is_refused_and_changes_nothing(name: str, scene: Scene) -> None:
    operation, call = _prepared(name, scene)
    before = scene.snapshot()

    answer = _send(scene.owner, operation, call, If_Match='"999"')

    assert (answer.status, answer.code) == (412, "precondition-failed")
    assert scene.snapshot() == before


@pytest.mark.parametrize("name", CONDITIONAL)
def test_a_write_on_the_current_generation_is_made(name: str, scene: Scene) -> None:
    operation, call = _prepared(name, scene)

    answer = _send(scene.owner, operation, call, If_Match=_current(scene, operation, call))

    assert 200 <= answer.status < 300, answer


@pytest.mark.parametrize("name", [name for name in CONDITIONAL if operations()[name].ids])
def test_a_condition_does_not_tell_an_outsider_what_exists(name: str, scene: Scene) -> None:
    operation, call = _prepared(name, scene)

    answer = _send(Scene().owner, operation, call, If_Match='"999"')

    assert (answer.status, answer.code) == (404, "not-found")


@pytest.mark.parametrize("name", UNCONDITIONAL)
def test_a_write_of_what_has_no_tag_is_refused_on_the_condition_of_one(name: str, scene: Scene) -> None:
    operation, call = _prepared(name, scene)
    before = scene.snapshot()

    answer = _send(scene.owner, operation, call, If_Match='"1"')

    assert (answer.status, answer.code) == (412, "precondition-failed")
    assert scene.snapshot() == before


@pytest.mark.parametrize("name", UNCONDITIONAL)
def test_only_what_is_there_is_written_on_the_condition_that_it_is(name: str, scene: Scene) -> None:
    operation, call = _prepared(name, scene)

    answer = _send(scene.owner, operation, call, If_Match="*")

    # What a POST makes is not there. Of a lease and of one's own place there is one; it has no tag that the caller
    # could know.
    assert answer.status == 412 if operation.method == "POST" else 200 <= answer.status < 300


@pytest.mark.parametrize("name", UNCONDITIONAL)
def test_what_has_no_tag_is_written_where_a_tag_is_ruled_out(name: str, scene: Scene) -> None:
    operation, call = _prepared(name, scene)

    answer = _send(scene.owner, operation, call, If_None_Match='"1"')

    assert 200 <= answer.status < 300, answer


def test_a_lease_is_not_extended_on_the_condition_that_there_is_none(scene: Scene) -> None:
    operation, call = _prepared("extend_lease", scene)

    answer = _send(scene.owner, operation, call, If_None_Match="*")

    assert (answer.status, answer.code) == (412, "precondition-failed")


@pytest.mark.parametrize("name", CHANGES)
def test_a_change_only_where_nothing_is_yet_is_refused(name: str, scene: Scene) -> None:
    operation, call = _prepared(name, scene)
    before = scene.snapshot()

    answer = _send(scene.owner, operation, call, If_None_Match="*")

    assert (answer.status, answer.code) == (412, "precondition-failed")
    assert scene.snapshot() == before


@pytest.mark.parametrize("name", CREATES)
def test_a_create_only_where_nothing_is_yet_is_made(name: str, scene: Scene) -> None:
    operation, call = _prepared(name, scene)

    answer = _send(scene.owner, operation, call, If_None_Match="*")

    assert answer.status == 201, answer


@pytest.mark.parametrize("name", ["create_agent", "sign_up"])
@pytest.mark.parametrize("headers", [{}, {"If_None_Match": "*"}], ids=["plain", "exclusive"])
def test_a_create_of_what_is_there_is_refused_with_the_header_and_without(
    name: str, scene: Scene, headers: dict[str, str]
) -> None:
    operation, call = _prepared(name, scene)
    assert call.by(scene.owner, operation).status == 201

    answer = _send(scene.owner, operation, call, **headers)

    assert (answer.status, answer.code.removesuffix("-taken")) == (409, "email" if name == "sign_up" else "slug")


@pytest.mark.parametrize("name", sorted(DESCRIBED))
def test_the_document_tells_of_a_tag_where_one_is_sent(name: str, scene: Scene) -> None:
    operation, call = _prepared(name, scene)

    answer = call.by(scene.owner, operation)

    described = DESCRIBED[name]["responses"][str(answer.status)]
    assert ("ETag" in described.get("headers", {})) == ("ETag" in answer.headers)


def test_the_document_tells_of_304_where_a_known_copy_is_spared() -> None:
    told = {name for name, one in DESCRIBED.items() if "304" in one["responses"]}

    assert told == set(KNOWABLE)
    assert all("ETag" in DESCRIBED[name]["responses"]["304"]["headers"] for name in told)


@pytest.mark.parametrize("name", KNOWABLE)
@pytest.mark.parametrize("form", ["{tag}", "W/{tag}", '"0", {tag}', "*"])
def test_a_known_copy_is_not_sent_again(name: str, scene: Scene, form: str) -> None:
    operation, call = _prepared(name, scene)
    tag = call.by(scene.owner, operation).headers["ETag"]

    answer = _send(scene.owner, operation, call, If_None_Match=form.format(tag=tag))

    assert (answer.status, answer.headers["ETag"], answer.raw) == (304, tag, b"")
    assert "Content-Type" not in answer.headers


@pytest.mark.parametrize("name", KNOWABLE)
def test_a_head_of_a_known_copy_is_answered_304(name: str, scene: Scene) -> None:
    operation, call = _prepared(name, scene)
    tag = call.by(scene.owner, operation).headers["ETag"]

    answer = _send(scene.owner, replace(operation, method="HEAD"), call, If_None_Match=tag)

    assert (answer.status, answer.headers["ETag"]) == (304, tag)


@pytest.mark.parametrize("name", KNOWABLE)
def test_another_copy_is_answered_by_the_current_one(name: str, scene: Scene) -> None:
    operation, call = _prepared(name, scene)
    current = call.by(scene.owner, operation)

    answer = _send(scene.owner, operation, call, If_None_Match='"999"')

    assert (answer.status, answer.raw) == (200, current.raw)


@pytest.mark.parametrize("name", [name for name in KNOWABLE if operations()[name].ids])
def test_a_known_copy_does_not_tell_an_outsider_what_exists(name: str, scene: Scene) -> None:
    operation, call = _prepared(name, scene)

    answer = _send(Scene().owner, operation, call, If_None_Match="*")

    assert (answer.status, answer.code) == (404, "not-found")


@pytest.mark.parametrize("name", UNKNOWABLE)
def test_a_read_without_a_tag_is_answered_in_full(name: str, scene: Scene) -> None:
    operation, call = _prepared(name, scene)

    answer = _send(scene.owner, operation, call, If_None_Match="*")

    assert answer.status == 200
    assert "ETag" not in answer.headers


def test_only_what_is_always_sent_has_a_tag_that_spares_nothing(scene: Scene) -> None:
    tagged = {name for name in READS if "ETag" in _prepared(name, scene)[1].by(scene.owner, operations()[name]).headers}

    assert tagged - set(KNOWABLE) == set(ALWAYS_SENT)


@pytest.mark.parametrize("name", ALWAYS_SENT)
@pytest.mark.parametrize("form", ["{tag}", "*"])
def test_what_changes_without_its_generation_is_always_sent(name: str, scene: Scene, form: str) -> None:
    operation, call = _prepared(name, scene)
    current = call.by(scene.owner, operation)

    answer = _send(scene.owner, operation, call, If_None_Match=form.format(tag=current.headers["ETag"]))

    assert (answer.status, answer.raw) == (200, current.raw)


def test_the_new_name_of_a_member_is_sent_to_who_knows_the_old_one(scene: Scene) -> None:
    known = scene.owner.get(f"/members/{scene.membership_id}")
    with tenancy.system():
        User.objects.filter(id=known.json["user"]["id"]).update(display_name="Renamed")

    answer = scene.owner.get(f"/members/{scene.membership_id}", If_None_Match=known.headers["ETag"])

    assert answer.json["user"]["display_name"] == "Renamed"


def test_the_use_of_a_key_is_sent_to_who_knows_it_unused(scene: Scene) -> None:
    unused = factories.make_key(scene.organization)
    known = scene.owner.get(f"/api-keys/{unused.row.id}")
    assert Caller(unused.text).get("/me").status == 200

    answer = scene.owner.get(f"/api-keys/{unused.row.id}", If_None_Match=known.headers["ETag"])

    assert known.json["last_used_at"] is None
    assert answer.json["last_used_at"] is not None
