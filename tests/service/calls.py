"""How each operation of the API is called so that it succeeds: one entry an operation, and no operation without one."""

import uuid
from collections.abc import Callable
from functools import cached_property
from typing import Any

from accounts.models import User
from coordination import keys, shared
from orgs.models import Organization, Role
from tests import factories
from tests.factories import Caller, text_message
from tests.service import cache_calls, locks_calls, queues_calls, rate_limits_calls
from tests.service.call import Call, Operation, operations


class Scene:
    """An organization whose things are made when they are first named, each through the API by its owner."""

    def __init__(self) -> None:
        # A user's key: some operations are theirs alone, and all are an owner's.
        self.user: User = factories.make_user()
        self.organization: Organization = factories.make_organization(self.user)
        self.owner = Caller(factories.make_key(self.organization, user=self.user).text)

    @cached_property
    def organization_id(self) -> str:
        return str(self.organization.id)

    @cached_property
    def agent_id(self) -> str:
        return str(factories.make_agent(self.organization).id)

    @cached_property
    def key_id(self) -> str:
        return str(factories.make_key(self.organization).row.id)

    @cached_property
    def owner_membership_id(self) -> str:
        return str(self.owner.get(f"/members?user_id={self.organization.owner_id}").json["items"][0]["id"])

    @cached_property
    def weak_key_id(self) -> str:
        return str(factories.make_key(self.organization, scopes=("api-keys:read",)).row.id)

    @cached_property
    def own_key_id(self) -> str:
        return str(factories.make_key(self.organization, user=self.user, scopes=("me:write",)).row.id)

    @cached_property
    def membership_id(self) -> str:
        """A member's who is no owner."""
        user = factories.make_member(self.organization)
        return str(self.owner.get(f"/members?user_id={user.id}").json["items"][0]["id"])

    @cached_property
    def invitation(self) -> dict[str, Any]:
        """An invitation to an address without an account, with its token."""
        body = {"email": f"{uuid.uuid4().hex}@example.com", "role": "member"}
        made: dict[str, Any] = self.owner.post("/invitations", body).json
        return made

    @cached_property
    def settings(self) -> dict[str, Any]:
        """The user's, once some were stored."""
        found: dict[str, Any] = self.owner.put("/me/settings", {"language": "en"}).json
        return found

    @cached_property
    def session_id(self) -> str:
        return str(factories.create_session(self.owner, state={"step": 1})["id"])

    @cached_property
    def task(self) -> dict[str, Any]:
        return factories.submit_task(self.owner)

    @property
    def task_id(self) -> str:
        return str(self.task["id"])

    @cached_property
    def lease(self) -> str:
        assert self.task_id
        return str(self.owner.post("/tasks/claim", {}).json["items"][0]["lease_token"])

    @cached_property
    def artifact_id(self) -> str:
        made = self.owner.post(f"/tasks/{self.task_id}/artifacts", text_message())
        return str(made.json["artifact_id"])

    @cached_property
    def entry_id(self) -> str:
        return str(self.owner.get("/audit").json["items"][0]["id"])

    def snapshot(self) -> dict[str, Any]:
        """Return everything the organization holds, as its owner sees it; marks of use are left out."""
        found = {"organization": self.owner.get(f"/orgs/{self.organization.id}").json}
        found |= {path: self.owner.get(path).json for path in ("/me", "/me/settings")}
        for listing in ("members", "agents", "invitations", "api-keys", "sessions", "tasks", "contexts"):
            items = self.owner.get(f"/{listing}?limit=100").json["items"]
            found[listing] = [{**item, "last_used_at": None} for item in items]
        return found

    def shared(self) -> dict[bytes, bytes | None]:
        """Return all that the organization has in Valkey but its rate limits, by key."""
        client = shared.connection.client()
        found = client.scan_iter(match=f"{keys.prefix(self.organization.id)}*", count=1000)
        return {key: client.dump(key) for key in found if b":ratelimit:api" not in key}


def _slug() -> str:
    return f"agent-{uuid.uuid4().hex[:20]}"


def _task(scene: Scene, body: Any = None) -> Call:
    return Call({"task_id": scene.task_id}, body)


def _artifact(scene: Scene) -> Call:
    return Call({"task_id": scene.task_id, "artifact_id": scene.artifact_id})


def _session(scene: Scene, body: Any = None) -> Call:
    return Call({"session_id": scene.session_id}, body)


def _extend_lease(scene: Scene) -> Call:
    return Call({"task_id": scene.task_id}, {}, headers={"Holdfast_Lease_Token": scene.lease})


def _submit_task(scene: Scene) -> Call:
    named = {"context_id": scene.task["context_id"], "agent_id": scene.agent_id}
    return Call(body={"message": text_message(), **named})


def _list_tasks(scene: Scene) -> Call:
    return Call(query=f"?context_id={scene.task['context_id']}")


def _claim_tasks(scene: Scene) -> Call:
    assert scene.task_id
    return Call(body={"agent_id": scene.agent_id})


def _sign_up(scene: Scene) -> Call:
    new = uuid.uuid4().hex[:20]
    organization = {"name": "New", "slug": f"org-{new}"}
    return Call(body={"email": f"{new}@example.com", "password": "correct horse battery", "organization": organization})


def _settings(scene: Scene, body: Any = None) -> Call:
    assert scene.settings
    return Call(body=body)


def _accept(scene: Scene) -> Call:
    return Call(body={"token": scene.invitation["token"], "password": "correct horse battery"})


def _invitation(scene: Scene, body: Any = None) -> Call:
    return Call({"invitation_id": scene.invitation["id"]}, body)


def _leave(scene: Scene) -> Call:
    factories.make_member(scene.organization, Role.OWNER)
    return Call()


def _transfer(scene: Scene) -> Call:
    body = {"membership_id": scene.membership_id, "from_membership_id": scene.owner_membership_id}
    return Call({"organization_id": str(scene.organization.id)}, body)


def _organization(scene: Scene, body: Any = None, query: str = "") -> Call:
    return Call({"organization_id": scene.organization_id}, body, query)


def _erase_me(scene: Scene) -> Call:
    factories.make_member(scene.organization, Role.OWNER)
    return Call(body={"email": scene.user.email})


def _listing(*needed: str) -> Callable[[Scene], Call]:
    """Return a call without parameters, of a listing that has one of what is named."""

    def call(scene: Scene) -> Call:
        assert all(getattr(scene, name) for name in needed)
        return Call()

    return call


__all__ = ["CALLS", "NAMESPACED", "Call", "Operation", "Scene", "operations"]

# What names something that is there for whoever names it, in a space of names of each organization.
NAMESPACED = {
    *cache_calls.NAMESPACED,
    *locks_calls.NAMESPACED,
    *queues_calls.NAMESPACED,
    *rate_limits_calls.NAMESPACED,
}
CALLS: dict[str, Callable[[Scene], Call]] = {
    "accept_invitation": _accept,
    "append_artifact": lambda scene: _task(scene, text_message()),
    "append_message": lambda scene: _task(scene, text_message()),
    "change_agent": lambda scene: Call({"agent_id": scene.agent_id}, {"name": "Renamed"}),
    "change_me": lambda scene: Call(body={"display_name": "Renamed", "preferences": {"theme": "dark"}}),
    "change_member": lambda scene: Call({"membership_id": scene.membership_id}, {"role": "admin"}),
    "change_organization_settings": lambda scene: _organization(
        scene, {"api_keys": {"max_lifetime_days": 90}, "deletion": {"delay_days": 3}}
    ),
    "change_state": lambda scene: _task(scene, {"state": "canceled"}),
    "claim_tasks": _claim_tasks,
    "create_agent": lambda scene: Call(body={"name": "New", "slug": _slug()}),
    "create_api_key": lambda scene: Call(
        body={"name": "New", "scopes": ["api-keys:write"], "agent_id": scene.agent_id}
    ),
    "create_invitation": lambda scene: Call(body={"email": f"{uuid.uuid4().hex}@example.com", "role": "member"}),
    "create_my_key": lambda scene: Call(body={"name": "New", "scopes": ["me:write"]}),
    "create_organization": lambda scene: Call(body={"name": "New", "slug": _slug()}),
    "create_session": lambda scene: Call(body={"agent_id": scene.agent_id, "state": {"step": 1}}),
    "delete_agent": lambda scene: Call({"agent_id": scene.agent_id}),
    "delete_organization": lambda scene: _organization(scene, query=f"?confirm={scene.organization.slug}"),
    "delete_session": _session,
    "erase_me": _erase_me,
    "export_audit_entries": lambda scene: Call(),
    "export_me": lambda scene: Call(),
    "extend_lease": _extend_lease,
    "get_agent": lambda scene: Call({"agent_id": scene.agent_id}),
    "get_api_key": lambda scene: Call({"row_id": scene.key_id}),
    "get_artifact": _artifact,
    "get_audit_entry": lambda scene: Call({"entry_id": scene.entry_id}),
    "get_context": lambda scene: Call({"context_id": str(scene.task["context_id"])}),
    "get_invitation": _invitation,
    "get_member": lambda scene: Call({"membership_id": scene.membership_id}),
    "get_my_key": lambda scene: Call({"row_id": scene.own_key_id}),
    "get_organization": _organization,
    "get_organization_limits": _organization,
    "get_organization_settings": _organization,
    "get_session": _session,
    "get_settings": _settings,
    "get_task": _task,
    "leave": _leave,
    "list_agents": _listing("agent_id"),
    "list_api_keys": _listing("key_id"),
    "list_artifacts": _task,
    "list_audit_entries": _listing("session_id"),
    "list_chunks": _artifact,
    "list_contexts": _listing("task_id"),
    "list_invitations": _listing("invitation"),
    "list_members": _listing("membership_id"),
    "list_messages": _task,
    "list_my_keys": lambda scene: Call(),
    "list_session_events": _session,
    "list_organizations": _listing("organization_id"),
    "list_sessions": _listing("session_id"),
    "list_task_events": _task,
    "list_tasks": _list_tasks,
    "look_up_invitation": lambda scene: Call(body={"token": scene.invitation["token"]}),
    "me": lambda scene: Call(),
    "merge_settings": lambda scene: _settings(scene, {"theme": "dark"}),
    "merge_state": lambda scene: _session(scene, {"step": 2}),
    "remove_member": lambda scene: Call({"membership_id": scene.membership_id}),
    "replace_settings": lambda scene: _settings(scene, {"language": "de"}),
    "rename_organization": lambda scene: _organization(scene, {"name": "Renamed"}),
    "replace_state": lambda scene: _session(scene, {"step": 3}),
    "resend_invitation": lambda scene: _invitation(scene, {}),
    "restore_organization": _organization,
    "revoke_api_key": lambda scene: Call({"row_id": scene.key_id}),
    "revoke_invitation": _invitation,
    "revoke_my_key": lambda scene: Call({"row_id": scene.own_key_id}),
    "rotate_api_key": lambda scene: Call({"row_id": scene.weak_key_id}, {}),
    "rotate_my_key": lambda scene: Call({"row_id": scene.own_key_id}, {}),
    "rotate_own_key": lambda scene: Call(body={}),
    "sign_up": _sign_up,
    "submit_task": _submit_task,
    "transfer_organization": _transfer,
    **cache_calls.CALLS,
    **locks_calls.CALLS,
    **queues_calls.CALLS,
    **rate_limits_calls.CALLS,
}
