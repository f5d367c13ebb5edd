"""One of everything that the API's paths can name, and a valid body for every operation that takes one."""

import uuid
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from typing import Any

from accounts.models import User
from config.api import api
from orgs import tenancy
from orgs.models import Organization, Role
from tests import factories
from tests.api import cache_bodies, locks_bodies, queues_bodies, rate_limits_bodies
from tests.factories import Caller
from tests.orgs.places import place_of

CARD: dict[str, Any] = {
    "version": "1",
    "provider": {"organization": "Acme", "url": "https://example.com"},
    "icon_url": "https://example.com/icon.png",
    "capabilities": {"streaming": True, "extensions": [{"uri": "https://example.com", "params": {"a": 1}}]},
    "default_input_modes": ["text/plain"],
    "skills": [{"id": "plan", "name": "Plan", "description": "Plans", "tags": ["a"], "examples": ["b"]}],
}

# Parameters of paths that are names of coordination.
NAMES = ("resource", "name", "queue")


# What names a message by its receipt, and where.
HOLDING = {"extend_message": "receipt", "nack_message": "receipt"}


@dataclass(frozen=True)
class Operation:
    """An operation of the OpenAPI document."""

    name: str
    method: str
    path: str
    described: dict[str, Any]

    @property
    def query(self) -> list[str]:
        return [found["name"] for found in self.described.get("parameters", []) if found["in"] == "query"]

    @property
    def names(self) -> bool:
        """Does its path name something by a text of the caller's own?"""
        return any(f"{{{name}}}" in self.path for name in NAMES)

    @property
    def takes_body(self) -> bool:
        return "requestBody" in self.described

    @property
    def needs_body(self) -> bool:
        return self.takes_body and self.described["requestBody"]["required"]

    @property
    def pages(self) -> bool:
        """Does it give pages of a listing? The lines of an export have a limit of their own."""
        return "limit" in self.query and self.name != "export_audit_entries"

    def at(self, ids: dict[str, str]) -> str:
        """Return the path below /api/v1 with the scene's ids in it."""
        return self.path.removeprefix(factories.API).format_map(ids)


@cache
def operations() -> tuple[Operation, ...]:
    paths = api.get_openapi_schema()["paths"]
    return tuple(
        Operation(described["operationId"], method.upper(), path, described)
        for path, methods in paths.items()
        for method, described in methods.items()
    )


def operations_of(*methods: str) -> Iterator[Operation]:
    return (operation for operation in operations() if operation.method in methods)


@dataclass
class Scene:
    """An organization with one of everything; `ids` holds each by the name its paths use."""

    owner: Caller
    ids: dict[str, str]
    invitation_token: str = ""
    # The memberships of another owner, and of who is to be one in their stead.
    giver_id: str = ""
    heir_id: str = ""
    # Of a message that is held.
    receipt: str = ""
    email: str = "nobody@example.com"

    def body(self, operation: str) -> Any:
        """Return a valid body for the operation, new each time where something must be unique."""
        new = uuid.uuid4().hex[:20]
        bodies: dict[str, Any] = {
            "sign_up": {
                "email": f"{new}@example.com",
                "display_name": "New",
                "password": "correct horse battery staple",
                "organization": {"name": "New", "slug": f"org-{new}"},
            },
            "rename_organization": {"name": "Renamed", "slug": f"org-{new}"},
            "create_organization": {"name": "New", "slug": f"org-{new}"},
            "transfer_organization": {
                "membership_id": self.heir_id,
                "from_membership_id": self.giver_id,
                "role": "member",
            },
            "change_member": {"role": "owner"},
            "create_invitation": {"email": f"{new}@example.com", "role": "admin", "expires_in_hours": 24},
            "resend_invitation": {"expires_in_hours": 24},
            "look_up_invitation": {"token": self.invitation_token},
            "accept_invitation": {
                "token": self.invitation_token,
                "display_name": "New",
                "password": "correct horse battery staple",
            },
            "create_agent": {"name": "New", "slug": f"agent-{new}", "description": "Works", "card": CARD},
            "change_agent": {"name": "Renamed", "slug": f"agent-{new}", "description": "Works on", "card": CARD},
            "create_api_key": {
                "name": "New",
                "scopes": ["tasks:read"],
                "agent_id": self.ids["agent_id"],
                "environment": "test",
                "expires_at": "2030-01-01T00:00:00Z",
            },
            "create_my_key": {
                "name": "New",
                "scopes": ["tasks:read"],
                "environment": "test",
                "expires_at": "2030-01-01T00:00:00Z",
            },
            "rotate_api_key": {"overlap_seconds": 60, "expires_at": "2030-01-01T00:00:00Z"},
            "rotate_my_key": {"overlap_seconds": 60, "expires_at": "2030-01-01T00:00:00Z"},
            "rotate_own_key": {"overlap_seconds": 3600},
            "change_organization_settings": {
                "api_keys": {"max_lifetime_days": 3650, "reminder_days": 7, "apply_to_existing": False},
                "deletion": {"delay_days": 3},
                "metadata": {"kind": "test"},
            },
            "create_session": {
                "title": "New",
                "agent_id": self.ids["agent_id"],
                "state": {"step": 1},
                "metadata": {"kind": "test"},
            },
            "change_me": {"display_name": "Renamed", "preferences": {"theme": "dark"}},
            "replace_settings": {"language": "en"},
            "merge_settings": {"theme": "dark"},
            # The one owner is not erased, however valid the body.
            "erase_me": {"email": self.email, "password": "correct horse battery staple"},
            "replace_state": {"step": 2},
            "merge_state": {"step": 3},
            "submit_task": {
                "message": {**factories.text_message(), "role": "user", "message_id": new, "metadata": {"a": 1}},
                "context_id": self.ids["context_id"],
                "agent_id": self.ids["agent_id"],
                "metadata": {"kind": "test"},
            },
            "append_message": {**factories.text_message(), "role": "user", "message_id": new, "metadata": {"a": 1}},
            "claim_tasks": {"agent_id": self.ids["agent_id"], "count": 1, "lease_seconds": 60, "history_length": 2},
            "extend_lease": {"lease_seconds": 60},
            "change_state": {"state": "input-required"},
            "append_artifact": {
                "artifact_id": f"artifact-{new}",
                "name": "New",
                "description": "Made",
                "metadata": {"a": 1},
                "parts": [{"kind": "text", "text": "made"}],
                "append": False,
                "last_chunk": True,
            },
            **cache_bodies.BODIES,
            **locks_bodies.BODIES,
            **queues_bodies.BODIES,
            **rate_limits_bodies.BODIES,
        }
        if operation in HOLDING:
            return {**bodies[operation], HOLDING[operation]: self.receipt}
        return bodies[operation]


def make_scene(organization: Organization | None = None) -> Scene:
    organization = organization or factories.make_organization()
    with tenancy.system():
        user = User.objects.get(id=organization.owner_id)
    owner = Caller(factories.make_key(organization, user=user).text)
    agent = factories.make_agent(organization)
    task = factories.submit_task(owner)
    parts = [{"kind": "text", "text": "made"}]
    artifact = owner.post(f"/tasks/{task['id']}/artifacts", {"artifact_id": "made", "parts": parts})
    assert artifact.status == 201
    invitation = owner.post("/invitations", {"email": f"{uuid.uuid4().hex}@example.com", "role": "member"})
    assert invitation.status == 201
    assert owner.post("/queues/mail/push", {"messages": [{"body": "hello"}]}).status == 201
    taken = owner.post("/locks/report/daily/acquire", locks_bodies.BODIES["acquire_lock"])
    assert taken.status == 200
    assert owner.post("/queues/mail/push", queues_bodies.BODIES["push_messages"]).status == 201
    [held] = owner.post("/queues/mail/pop", {"visibility_seconds": 600}).json["items"]
    ids = {
        "organization_id": str(organization.id),
        "membership_id": owner.get("/members").json["items"][0]["id"],
        "invitation_id": invitation.json["id"],
        "agent_id": str(agent.id),
        "row_id": str(factories.make_key(organization, user=user).row.id),
        "user_id": str(user.id),
        "session_id": factories.create_session(owner)["id"],
        "task_id": task["id"],
        "context_id": task["context_id"],
        "artifact_id": "made",
        # Names of coordination, which stand for whatever is put there.
        "resource": "report",
        "name": "daily",
        "queue": "mail",
        "entry_id": owner.get("/audit").json["items"][0]["id"],
    }
    users = (factories.make_member(organization, role) for role in (Role.OWNER, Role.MEMBER))
    giver, heir = (place_of(organization, user.id) for user in users)
    return Scene(owner, ids, invitation.json["token"], giver, heir, held["receipt"], user.email)
