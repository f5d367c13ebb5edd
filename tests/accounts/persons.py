"""A person with one of everything in two organizations, beside a neighbour, and a look into every table."""

import uuid
from collections import Counter
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any

from django.contrib.admin.models import CHANGE, LogEntry
from django.contrib.contenttypes.models import ContentType

from accounts.models import BackupCode, Erasure, FailureCount, LinkedIdentity, TOTPDevice, User
from orgs import tenancy
from orgs.models import Organization, Role
from orgs.services import person_erasing
from tests import factories
from tests.factories import Caller, submit_task, text_message
from tests.statements import rows, system_rows

NOW = datetime(2026, 11, 21, 12, tzinfo=UTC)
LATER = NOW + timedelta(days=1)
TABLES = "SELECT relname FROM pg_class WHERE relkind = 'r' AND relnamespace = current_schema()::regnamespace"
READABLE = "SELECT has_table_privilege('holdfast_system', %s, 'SELECT')"


@dataclass
class Person:
    """A user with a phrase that stands in all that they wrote."""

    user: User
    phrase: str
    callers: dict[uuid.UUID, Caller] = field(default_factory=dict)
    sessions: list[str] = field(default_factory=list)
    tasks: list[dict[str, Any]] = field(default_factory=list)

    @property
    def marks(self) -> list[str]:
        """Return what names the person or is theirs."""
        assert self.user.external_id is not None
        return [self.phrase, self.user.email, self.user.display_name, self.user.external_id]


def make_person() -> Person:
    new = uuid.uuid4().hex
    user = factories.make_user(email=f"ada-{new}@example.com", display_name=f"Ada {new}", external_id=f"hr-{new}")
    return Person(user, f"phrase-{uuid.uuid4().hex}")


def join(person: Person, organization: Organization) -> Caller:
    """Invite the person, and give them a place and a key in the organization."""
    invited = Caller(factories.make_key(organization).text).post(
        "/invitations", {"email": person.user.email, "role": "admin"}
    )
    assert invited.status == 201
    factories.add_member(organization, person.user, Role.ADMIN)
    person.callers[organization.id] = Caller(factories.make_key(organization, user=person.user).text)
    return person.callers[organization.id]


def work(person: Person, organization: Organization) -> dict[str, Any]:
    """Have the person make one of everything there; return their task."""
    caller, phrase = person.callers[organization.id], person.phrase
    state = f'{{"title":"{phrase}","state":{{"said":"{phrase}","price":1.10}},"metadata":{{"about":"{phrase}"}}}}'
    session = caller.post("/sessions", state.encode(), Content_Type="application/json", Idempotency_Key=phrase)
    assert session.status == 201
    person.sessions.append(session.json["id"])
    task = submit_task(caller, message=text_message(phrase, message_id=phrase), metadata={"about": phrase})
    person.tasks.append(task)
    write(person, organization, task)
    assert caller.put("/me/settings", {"about": phrase}).status == 200
    assert caller.patch("/me", {"preferences": {"about": phrase}}).status == 200
    assert caller.post("/agents", {"name": "Planner", "slug": f"agent-{uuid.uuid4().hex[:20]}"}).status == 201
    assert caller.post("/api-keys", {"name": "service", "scopes": ["tasks:read"]}).status == 201
    return task


def write(person: Person, organization: Organization, task: dict[str, Any]) -> None:
    """Have the person say and make something in a task."""
    caller, phrase = person.callers[organization.id], person.phrase
    message = text_message(phrase, message_id=phrase, metadata={"about": phrase})
    named = {"name": phrase, "description": phrase, "metadata": {"about": phrase}}
    assert caller.post(f"/tasks/{task['id']}/messages", message).status == 201
    assert caller.post(f"/tasks/{task['id']}/artifacts", {**text_message(phrase), **named}).status == 201


def operate(person: Person) -> None:
    """Leave what an operator leaves in Django's own tables, and what another one left about the person."""
    other = factories.make_user()
    with tenancy.system():
        kind = ContentType.objects.get_for_model(User).pk
        for who, what in ((person.user, other), (other, person.user)):
            LogEntry.objects.create(
                user_id=who.id, content_type_id=kind, object_id=str(what.id), object_repr=str(what), action_flag=CHANGE
            )
        LinkedIdentity.objects.create(user=person.user, issuer="https://id.example.com", subject=person.phrase)
        TOTPDevice.objects.create(user=person.user, secret=person.phrase)
        BackupCode.objects.create(user=person.user, digest=b"0" * 32)
        FailureCount.objects.create(account=f"user:{person.user.id}", source="192.0.2.1", counted_since=NOW)
    factories.make_console_session(person.user)


def erase(user: User, *, now: datetime = NOW) -> Erasure:
    """Erase a user from the first request to the last sweep."""
    begun = person_erasing.request_erasure(user.id, by="operator:shell", now=now)
    person_erasing.carry_on(begun.id, now=now)
    return person_erasing.carry_on(begun.id, now=now + person_erasing.settle_time())


def tables_with(text: str) -> Counter[str]:
    """Count the rows of every table of the database in whose columns, whatever their type, the text stands."""
    found: Counter[str] = Counter()
    for (table,) in rows(TABLES):
        statement = f"SELECT count(*) FROM \"{table}\" r WHERE r::text LIKE '%%' || %s || '%%'"
        run = system_rows if rows(READABLE, table)[0][0] else rows
        found[table] += run(statement, text)[0][0]
    return +found


def sizes(organization: Organization) -> dict[str, int]:
    """Count the organization's rows in every table that has any."""
    found = {}
    for (table,) in rows(TABLES):
        column = rows("SELECT 1 FROM pg_attribute WHERE attrelid = %s::regclass AND attname = 'organization_id'", table)
        if column:
            sql = f'SELECT count(*) FROM "{table}" WHERE organization_id = %s'
            found[table] = system_rows(sql, organization.id)[0][0]
    return found
