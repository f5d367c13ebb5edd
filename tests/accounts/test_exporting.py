"""An export has everything of a person, to the digit, and nothing of anybody else."""

import hashlib
import io
import json
import zipfile
from typing import Any

import pytest

from accounts.exporting import Export, ExportTooLarge
from orgs.models import Organization
from orgs.services.exporting import export_person, within
from tests import factories
from tests.accounts.persons import NOW, Person, join, make_person, operate, work, write
from tests.factories import Caller
from tests.statements import audit_of, system_rows


@pytest.fixture
def person(organization: Organization) -> Person:
    person = make_person()
    join(person, organization)
    work(person, organization)
    operate(person)
    return person


def export(person: Person) -> zipfile.ZipFile:
    file = io.BytesIO()
    export_person(person.user.id, file, actor="operator:shell", now=NOW)
    return zipfile.ZipFile(file)


def lines(archive: zipfile.ZipFile, name: str) -> list[dict[str, Any]]:
    return [json.loads(line) for line in archive.read(name).splitlines()]


def in_organization(archive: zipfile.ZipFile, organization: Organization, name: str) -> list[dict[str, Any]]:
    return lines(archive, f"organizations/{organization.id}/{name}.jsonl")


def download(caller: Caller) -> zipfile.ZipFile:
    answer = caller.get("/me/export")
    assert answer.status == 200, answer
    return zipfile.ZipFile(io.BytesIO(answer.raw))


def everything(archive: zipfile.ZipFile) -> str:
    return "".join(archive.read(name).decode() for name in archive.namelist())


def test_an_export_has_each_kind_of_thing(person: Person, organization: Organization) -> None:
    archive = export(person)

    counts = {
        name: len(in_organization(archive, organization, name))
        for name in ("memberships", "api-keys", "agents", "sessions", "contexts", "tasks", "messages", "artifacts")
    }
    expected = dict.fromkeys(counts, 1) | {"api-keys": 2, "messages": 2}
    assert counts == expected
    assert lines(archive, "profile.json")[0]["email"] == person.user.email
    assert lines(archive, "profile.json")[0]["preferences"] == {"about": person.phrase}
    assert lines(archive, "settings.json")[0]["document"] == {"about": person.phrase}
    assert len(lines(archive, "admin-log.jsonl")) == 1
    assert in_organization(archive, organization, "audit")
    assert in_organization(archive, organization, "events")


def test_json_leaves_as_it_was_stored(person: Person, organization: Organization) -> None:
    name = f"organizations/{organization.id}/sessions.jsonl"

    text = export(person).read(name).decode()

    assert '"price":1.10' in text


def test_the_manifest_counts_and_hashes_every_file(person: Person) -> None:
    archive = export(person)

    manifest = json.loads(archive.read("manifest.json"))

    assert (manifest["user_id"], manifest["made_at"]) == (str(person.user.id), "2026-11-21T12:00:00.000000Z")
    assert set(manifest["files"]) == set(archive.namelist()) - {"README.txt", "manifest.json"}
    for name, told in manifest["files"].items():
        raw = archive.read(name)
        assert told == {"rows": raw.count(b"\n"), "sha256": hashlib.sha256(raw).hexdigest()}


def test_nothing_secret_is_in_it(person: Person, organization: Organization) -> None:
    digests = system_rows("SELECT encode(digest, 'hex') FROM orgs_apikey WHERE user_id = %s", person.user.id)

    archive = export(person)
    text = everything(archive)

    assert not any(digest in text for (digest,) in digests)
    assert person.user.password not in text
    assert not {"password", "digest"} & set(lines(archive, "profile.json")[0])
    assert "digest" not in in_organization(archive, organization, "api-keys")[0]


def test_another_persons_words_and_name_are_not_in_it(person: Person, organization: Organization) -> None:
    neighbour = make_person()
    join(neighbour, organization)
    work(neighbour, organization)
    write(person, organization, neighbour.tasks[0])

    archive = export(person)

    assert not any(mark in everything(archive) for mark in neighbour.marks)
    assert len(in_organization(archive, organization, "messages")) == 3


def test_what_an_agent_said_in_the_persons_task_is_theirs(
    person: Person, organization: Organization, agent: Caller
) -> None:
    said = {"parts": [{"kind": "text", "text": "planned"}], "role": "agent"}
    assert agent.post(f"/tasks/{person.tasks[0]['id']}/messages", said).status == 201

    assert "planned" in everything(export(person))


def test_rows_are_read_batch_after_batch_without_loss(person: Person, organization: Organization) -> None:
    made = {factories.create_session(person.callers[organization.id])["id"] for _ in range(9)}

    found = {row["id"] for row in in_organization(export(person), organization, "sessions")}

    # Sessions come by fours.
    assert found == made | set(person.sessions)


def test_parts_are_read_batch_after_batch_by_their_whole_key(person: Person, organization: Organization) -> None:
    caller, task = person.callers[organization.id], person.tasks[0]
    for _ in range(60):
        assert caller.post(f"/tasks/{task['id']}/messages", factories.text_message()).status == 201

    found = [row["number"] for row in in_organization(export(person), organization, "messages")]

    assert found == list(range(1, 63))


def test_a_key_gives_out_its_own_organization_alone(person: Person, organization: Organization) -> None:
    other = factories.make_organization()
    elsewhere = join(person, other)
    created = factories.create_session(elsewhere, title="of the other one")

    archive = download(person.callers[organization.id])

    assert json.loads(archive.read("manifest.json"))["organizations"] == [str(organization.id)]
    assert created["id"] not in everything(archive)
    assert str(other.id) not in everything(archive)
    assert person.phrase in everything(archive)


def test_an_operator_exports_organizations_that_the_person_has_left(person: Person, organization: Organization) -> None:
    system_rows("DELETE FROM orgs_membership WHERE user_id = %s", person.user.id)

    archive = export(person)

    assert in_organization(archive, organization, "sessions")


def test_an_export_is_answered_as_a_file_and_audited(person: Person, organization: Organization) -> None:
    answer = person.callers[organization.id].get("/me/export")

    assert answer.headers["Content-Type"] == "application/zip"
    assert answer.headers["Content-Disposition"] == f'attachment; filename="holdfast-{person.user.id}.zip"'
    entry = audit_of(organization)[-1]
    assert (entry["action"], entry["actor"]) == ("user.exported", f"user:{person.user.id}")


def test_a_key_that_acts_as_no_user_has_nothing_to_export(owner: Caller) -> None:
    answer = owner.get("/me/export")

    assert (answer.status, answer.code) == (403, "user-required")


def test_an_export_beyond_the_limit_is_refused_with_the_way_out(
    person: Person, organization: Organization, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("orgs.services.exporting.MAX_EXPORT_BYTES", 1000)

    answer = person.callers[organization.id].get("/me/export")

    assert (answer.status, answer.code) == (413, "export-too-large")
    assert "manage.py exportuser" in answer.json["detail"]


def test_the_limit_counts_what_is_written_not_what_it_is_pressed_into(person: Person) -> None:
    made = Export(person.user.id, within, limit=100)

    with pytest.raises(ExportTooLarge):
        made.write(io.BytesIO(), [], now=NOW)


def test_an_export_of_nobody_has_an_empty_profile() -> None:
    nobody = make_person()
    system_rows("DELETE FROM accounts_user WHERE id = %s", nobody.user.id)

    assert lines(export(nobody), "profile.json") == []
