"""What tests need to exist, with only what is required set. Each organization is new, so tests share a database."""

import uuid
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from django.contrib.auth import SESSION_KEY
from django.test import Client
from django.test.client import ClientHandler

from accounts.console_sessions import SessionStore, digest
from accounts.models import ConsoleSession, User
from api import documents
from orgs import tenancy
from orgs.keys import Environment
from orgs.models import Agent, Membership, Organization, Role
from orgs.permissions import EVERYTHING
from orgs.services import api_keys, organizations
from orgs.services.key_policy import End

API = "/api/v1"
# Nothing has it. The same in every process, so that all of them know the same tests.
UNKNOWN_ID = "ffffffff-0000-4000-8000-000000000000"
# Shared by all callers: loading the middleware takes longer than most calls, since whitenoise looks at every file.
HANDLER = ClientHandler(enforce_csrf_checks=False)


def make_user(**fields: Any) -> User:
    """Make a user who cannot sign in: deriving a password hash would take most of a test's time."""
    email = fields.pop("email", f"{uuid.uuid4().hex}@example.com")
    with tenancy.system():
        return User.objects.create_user(email, None, **fields)


def make_organization(owner: User | None = None) -> Organization:
    slug = f"org-{uuid.uuid4().hex[:20]}"
    owner = owner or make_user()
    with tenancy.system():
        return organizations.create_organization(name=slug, slug=slug, owner=owner)


def make_member(organization: Organization, role: Role = Role.MEMBER) -> User:
    user = make_user()
    add_member(organization, user, role)
    return user


def add_member(organization: Organization, user: User, role: Role = Role.MEMBER) -> None:
    with tenancy.system():
        Membership.objects.create(organization=organization, user=user, role=role, owner_id=user.id)


def make_agent(organization: Organization, slug: str | None = None) -> Agent:
    slug = slug or f"agent-{uuid.uuid4().hex[:20]}"
    with tenancy.organization(organization.id):
        return Agent.objects.create(organization=organization, owner_id=organization.owner_id, name=slug, slug=slug)


def make_key(
    organization: Organization,
    *,
    scopes: tuple[str, ...] = EVERYTHING,
    user: User | None = None,
    agent: Agent | None = None,
    environment: Environment = Environment.PRODUCTION,
    expires_at: datetime | None = None,
) -> api_keys.MintedKey:
    with tenancy.system():
        return api_keys.mint(
            organization,
            name="test",
            scopes=scopes,
            environment=environment,
            actor="test",
            owner_id=organization.owner_id,
            user_id=user and user.id,
            agent_id=agent and agent.id,
            end=End(expires_at),
        )


def make_console_session(user: User) -> ConsoleSession:
    """Make a session of the console without signing in."""
    store = SessionStore()
    store[SESSION_KEY] = str(user.id)
    store.create()
    store.save()
    return ConsoleSession.objects.get(session_key=digest(store.session_key or ""))


@dataclass
class Answer:
    """A response as a test looks at it."""

    status: int
    headers: dict[str, str]
    raw: bytes

    @property
    def json(self) -> Any:
        return documents.parse(self.raw)

    @property
    def code(self) -> str:
        """The stable code of a problem."""
        assert self.headers["Content-Type"] == "application/problem+json", self
        code: str = self.json["code"]
        return code


@dataclass
class Caller:
    """A client with a key, headers for all its calls, an address; paths are below /api/v1, bodies JSON or raw bytes."""

    key: str
    headers: dict[str, str] = field(default_factory=dict)
    address: str = "127.0.0.1"

    def call(self, method: str, path: str, body: Any = None, **headers: str) -> Answer:
        """Send one request; header names are given with underscores: If_Match='"1"'."""
        raw = body if isinstance(body, bytes) else b"" if body is None else documents.dumps(body).encode()
        given = {name.replace("_", "-"): value for name, value in headers.items()}
        sent = {"Authorization": f"Bearer {self.key}", **self.headers, **given}
        content_type = sent.pop("Content-Type", "application/json" if body is not None else "")
        url = path if path.startswith("/") and path.startswith("/api/") else f"{API}{path}"
        client = Client(raise_request_exception=False, REMOTE_ADDR=self.address)
        client.handler = HANDLER
        response = client.generic(method, url, raw, content_type=content_type, headers=sent)
        return Answer(response.status_code, dict(response.headers), response.content)

    def get(self, path: str, **headers: str) -> Answer:
        return self.call("GET", path, **headers)

    def post(self, path: str, body: Any = None, **headers: str) -> Answer:
        return self.call("POST", path, body, **headers)

    def put(self, path: str, body: Any = None, **headers: str) -> Answer:
        return self.call("PUT", path, body, **headers)

    def patch(self, path: str, body: Any = None, **headers: str) -> Answer:
        return self.call("PATCH", path, body, **headers)

    def delete(self, path: str, **headers: str) -> Answer:
        return self.call("DELETE", path, **headers)


def text_message(text: str = "hello", **fields: Any) -> dict[str, Any]:
    return {"parts": [{"kind": "text", "text": text}], **fields}


def submit_task(caller: Caller, **fields: Any) -> dict[str, Any]:
    """Submit a task over the API and return it."""
    answer = caller.post("/tasks", {"message": text_message(), **fields})
    assert answer.status == 201, answer
    task: dict[str, Any] = answer.json
    return task


def create_session(caller: Caller, **fields: Any) -> dict[str, Any]:
    """Create a session over the API and return it."""
    answer = caller.post("/sessions", fields)
    assert answer.status == 201, answer
    session: dict[str, Any] = answer.json
    return session
