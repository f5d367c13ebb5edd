"""An export of large rows holds one of them at a time, and reads none that it could not give."""

import io
import json
import tempfile
import tracemalloc
import zipfile
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor

import pytest

from accounts.exporting import Export, ExportTooLarge
from api.requests import MIB
from orgs import tenancy
from orgs.models import Organization
from orgs.services.exporting import export_person, within
from tests import factories
from tests.accounts.persons import NOW, Person, join, make_person
from tests.statements import elsewhere, rows, statements, system_rows, wait_until_someone_waits

# The last character makes each of a text's take four bytes in Python.
GROW = """
UPDATE sessions_store_session SET state = json_build_object('text', repeat('x', %s) || U&'\\+01F600') WHERE id = %s
"""


@pytest.fixture
def person(organization: Organization) -> Person:
    person = make_person()
    join(person, organization)
    return person


def make_sessions(person: Person, organization: Organization, count: int, size: int) -> list[str]:
    made = [factories.create_session(person.callers[organization.id])["id"] for _ in range(count)]
    for session_id in made:
        system_rows(GROW, size, session_id)
    return made


def peak_of(work: Callable[[], object]) -> int:
    """Return how much memory Python took meanwhile, at most."""
    tracemalloc.start()
    try:
        work()
        return tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()


def test_an_export_without_limit_holds_one_large_row_at_a_time(person: Person, organization: Organization) -> None:
    made = make_sessions(person, organization, 4, 15 * MIB)

    with tempfile.TemporaryFile() as file:
        peak = peak_of(lambda: export_person(person.user.id, file, actor="operator:shell", now=NOW))
        written = zipfile.ZipFile(file).read(f"organizations/{organization.id}/sessions.jsonl").splitlines()

    assert [json.loads(line)["id"] for line in written] == made
    assert all(len(line) > 15 * MIB for line in written)
    assert peak < 40 * MIB


def test_rows_that_fit_together_are_read_by_one_statement(person: Person, organization: Organization) -> None:
    make_sessions(person, organization, 3, 2 * MIB)

    with statements() as sent:
        export_person(person.user.id, io.BytesIO(), actor="operator:shell", now=NOW)

    assert len([sql for sql in sent if "FROM sessions_store_session" in sql and "convert_to" in sql]) == 1


def test_rows_beyond_the_bytes_of_a_batch_are_read_by_the_next_statement(
    person: Person, organization: Organization
) -> None:
    made = make_sessions(person, organization, 3, 5 * MIB)
    file = io.BytesIO()

    with statements() as sent:
        export_person(person.user.id, file, actor="operator:shell", now=NOW)

    written = zipfile.ZipFile(file).read(f"organizations/{organization.id}/sessions.jsonl").splitlines()
    assert [json.loads(line)["id"] for line in written] == made
    assert len([sql for sql in sent if "FROM sessions_store_session" in sql and "convert_to" in sql]) == 3


def test_a_row_beyond_the_limit_is_not_read(person: Person, organization: Organization) -> None:
    make_sessions(person, organization, 1, 15 * MIB)
    export = Export(person.user.id, within, limit=MIB)

    def refused() -> None:
        with pytest.raises(ExportTooLarge):
            export.write(io.BytesIO(), [organization.id], now=NOW)

    assert peak_of(refused) < 4 * MIB


def test_an_export_of_exactly_the_limit_is_made(person: Person, organization: Organization) -> None:
    whole = Export(person.user.id, within)
    whole.write(io.BytesIO(), [organization.id], now=NOW)

    Export(person.user.id, within, limit=whole.size).write(io.BytesIO(), [organization.id], now=NOW)
    with pytest.raises(ExportTooLarge):
        Export(person.user.id, within, limit=whole.size - 1).write(io.BytesIO(), [organization.id], now=NOW)


def test_over_the_api_large_states_are_refused(person: Person, organization: Organization) -> None:
    make_sessions(person, organization, 3, 15 * MIB)

    answer = person.callers[organization.id].get("/me/export")

    assert (answer.status, answer.code) == (413, "export-too-large")


def test_over_the_api_one_export_is_made_at_a_time(person: Person, organization: Organization) -> None:
    caller = person.callers[organization.id]
    with ThreadPoolExecutor(1) as pool:
        with tenancy.system():
            rows("LOCK TABLE sessions_store_session")
            first = pool.submit(elsewhere, lambda: caller.get("/me/export"))
            wait_until_someone_waits()
            second = elsewhere(lambda: caller.get("/me/export"))
        assert first.result(30).status == 200

    assert (second.status, second.code, second.headers["Retry-After"]) == (503, "export-busy", "1")
    assert caller.get("/me/export").status == 200


def test_an_export_that_fails_lets_the_next_be_made(
    person: Person, organization: Organization, monkeypatch: pytest.MonkeyPatch
) -> None:
    caller = person.callers[organization.id]
    with monkeypatch.context() as patch:
        patch.setattr("orgs.services.exporting.MAX_EXPORT_BYTES", 1)
        assert caller.get("/me/export").code == "export-too-large"

    assert caller.get("/me/export").status == 200
