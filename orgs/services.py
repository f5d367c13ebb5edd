"""Verbs that make and change organizations, agents and keys; each with its audit entry and its event."""

import secrets
import uuid
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import partial
from typing import Any

from django.contrib.auth.password_validation import validate_password
from django.core.exceptions import ValidationError
from django.db import IntegrityError, transaction
from django.db.models import QuerySet

from accounts.models import User
from api.etags import PreconditionFailed
from audit.models import Action
from audit.services import record
from orgs import keys, tenancy
from orgs.authentication import confirm, forget
from orgs.changes import Change, announce
from orgs.models import Agent, APIKey, Membership, Organization, Role, TenantModel
from orgs.permissions import EVERYTHING, ScopeMissing, including
from orgs.principals import Principal

MAX_KEY_LIFETIME = timedelta(days=3650)


class EmailTaken(Exception):
    """Raised when a user with this address exists, whatever its case."""


class SlugTaken(Exception):
    """Raised when the slug belongs to another organization, or to another agent of this one."""


class WeakPassword(Exception):
    """Raised when a password does not pass the configured rules; the message says which."""


class InvalidExpiry(Exception):
    """Raised when a key would expire in the past or in more than ten years."""


class UnknownReference(Exception):
    """Raised when something is named that the organization does not have: an agent, a context, a member."""


class AlreadyMember(Exception):
    """Raised when a user is given a second place in an organization."""


class LastOwner(Exception):
    """Raised when an organization would be left without an owner."""


# One constraint, one domain error; anything else is a defect and stays an IntegrityError.
CONSTRAINTS: dict[str, tuple[type[Exception], str]] = {
    "accounts_user_email_unique": (EmailTaken, "A user with this e-mail address exists."),
    "orgs_organization_slug_unique": (SlugTaken, "An organization with this slug exists."),
    "orgs_agent_slug_unique": (SlugTaken, "An agent with this slug exists."),
    "orgs_membership_unique": (AlreadyMember, "This user is a member already."),
}


@dataclass(frozen=True)
class MintedKey:
    """A new key with the text that is shown once."""

    row: APIKey
    text: str


@dataclass(frozen=True)
class SignUp:
    user: User
    organization: Organization
    minted: MintedKey


def sign_up(*, email: str, display_name: str, password: str, name: str, slug: str) -> SignUp:
    """Create a user, an organization that they own, and a key with every scope, all or nothing."""
    user = User(email=email, display_name=display_name)
    _check_password(password, user)
    # Deriving the hash takes a good part of a second: before the transaction, unless the gate has opened one.
    user.set_password(password)
    with _constraints(), tenancy.system():
        user.save(force_insert=True)
        actor = f"user:{user.id}"
        record(Action.USER_CREATED, organization_id=None, actor=actor, subject_type="user", subject_id=user.id)
        made = create_organization(name=name, slug=slug, owner=user)
        minted = _mint(made, name="First key", scopes=EVERYTHING, actor=actor, owner_id=user.id, user_id=user.id)
    return SignUp(user, made, minted)


def create_organization(*, name: str, slug: str, owner: User, actor: str | None = None) -> Organization:
    """Create an organization with its first owner, who made it where no actor is named. Raises SlugTaken."""
    actor = actor or f"user:{owner.id}"
    with _constraints(), tenancy.system():
        made = Organization.objects.create(name=name, slug=slug, owner_id=owner.id)
        _note(Action.ORGANIZATION_CREATED, made, actor, slug=slug)
        add_member(made, owner, role=Role.OWNER, actor=actor)
    return made


def rename_organization(principal: Principal, *, name: str, expected: list[int] | None) -> Organization:
    with tenancy.organization(principal.organization_id):
        return set_name(principal.organization_id, name=name, actor=principal.actor, expected=expected)


def set_name(organization_id: uuid.UUID, *, name: str, actor: str, expected: list[int] | None = None) -> Organization:
    """Rename an organization inside the open scope."""
    found = Organization.objects.select_for_update().get(id=organization_id)
    _expect(found, expected)
    found.name = name
    found.save_change("name")
    _note(Action.ORGANIZATION_RENAMED, found, actor)
    return found


def add_member(organization: Organization, user: User, *, role: str, actor: str) -> Membership:
    """Give a user a place in an organization, inside the open scope. Raises AlreadyMember."""
    with _constraints(), transaction.atomic():
        made = Membership.objects.create(organization=organization, user=user, role=role, owner_id=user.id)
        _note(Action.MEMBERSHIP_CREATED, made, actor, role=made.role)
    return made


def change_role(membership_id: uuid.UUID, *, role: str, actor: str) -> Membership:
    """Give a member another role, inside the open scope. Raises LastOwner, Membership.DoesNotExist."""
    membership = _lock_membership(membership_id)
    if membership.role != role:
        _spare_last_owner(membership)
        membership.role = role
        membership.save_change("role")
        _note(Action.MEMBERSHIP_CHANGED, membership, actor, role=role)
    return membership


def remove_member(membership_id: uuid.UUID, *, actor: str) -> None:
    """Take a user's place in an organization away, inside the open scope; their keys of it are refused from then on.

    Raises LastOwner, Membership.DoesNotExist.
    """
    membership = _lock_membership(membership_id)
    _spare_last_owner(membership)
    membership.generation += 1
    _note(Action.MEMBERSHIP_REMOVED, membership, actor)
    borne = APIKey.objects.filter(organization_id=membership.organization_id, user_id=membership.user_id)
    for key_id in borne.values_list("key_id", flat=True):
        transaction.on_commit(partial(forget, key_id))
    membership.delete()


def _lock_membership(membership_id: uuid.UUID) -> Membership:
    """Lock the organization, then its membership: of two owners demoted at once the second waits, and counts anew."""
    organization_id = Membership.objects.values_list("organization_id", flat=True).get(id=membership_id)
    Organization.objects.select_for_update(no_key=True).get(id=organization_id)
    return Membership.objects.select_for_update().get(id=membership_id)


def _spare_last_owner(membership: Membership) -> None:
    others = Membership.objects.filter(organization_id=membership.organization_id, role=Role.OWNER)
    if membership.role == Role.OWNER and not others.exclude(id=membership.id).exists():
        raise LastOwner("This is the organization's last owner.")


def create_agent(principal: Principal, *, name: str, slug: str, description: str) -> Agent:
    with tenancy.organization(principal.organization_id):
        return add_agent(
            principal.organization_id,
            owner_id=principal.actor_id,
            fields={"name": name, "slug": slug, "description": description},
            actor=principal.actor,
        )


def add_agent(organization_id: uuid.UUID, *, owner_id: uuid.UUID, fields: Mapping[str, Any], actor: str) -> Agent:
    """Register an agent inside the open scope. Raises SlugTaken."""
    with _constraints(), transaction.atomic():
        agent = Agent.objects.create(organization_id=organization_id, owner_id=owner_id, **fields)
        _note(Action.AGENT_CREATED, agent, actor, slug=agent.slug)
    return agent


def change_agent(
    principal: Principal, agent_id: uuid.UUID, *, changes: Mapping[str, Any], expected: list[int] | None
) -> Agent:
    """Set the given fields. Raises Agent.DoesNotExist, PreconditionFailed, SlugTaken."""
    with tenancy.organization(principal.organization_id):
        agents = Agent.objects.filter(organization_id=principal.organization_id)
        return set_agent_fields(agents, agent_id, changes=changes, actor=principal.actor, expected=expected)


def set_agent_fields(
    agents: QuerySet[Agent],
    agent_id: uuid.UUID,
    *,
    changes: Mapping[str, Any],
    actor: str,
    expected: list[int] | None = None,
) -> Agent:
    """Do the same to one of these agents, inside the open scope."""
    with _constraints(), transaction.atomic():
        agent = agents.select_for_update().get(id=agent_id)
        _expect(agent, expected)
        if changes:
            for field, value in changes.items():
                setattr(agent, field, value)
            agent.save_change(*changes)
            _note(Action.AGENT_CHANGED, agent, actor, fields=sorted(changes))
    return agent


def create_api_key(
    principal: Principal,
    *,
    name: str,
    scopes: Iterable[str],
    agent_id: uuid.UUID | None = None,
    expires_at: datetime | None = None,
    now: datetime,
) -> MintedKey:
    """Create a key of the caller's organization, at most as powerful as the caller's own.

    With an agent the key acts as that agent, else as itself; it never outlives the caller's key, but does outlive the
    caller's leaving: it is the organization's. `owner_id` and the audit entry keep who made it.
    Raises ScopeMissing, InvalidExpiry, UnknownReference, KeyRevoked, KeyExpired.
    """
    wanted = sorted(set(scopes))
    excess = including(wanted) - principal.scopes
    if excess:
        raise ScopeMissing(f"The calling key does not hold {', '.join(sorted(excess))} and cannot grant it.")
    _check_expiry(expires_at, now)
    with tenancy.organization(principal.organization_id):
        own_expiry = confirm(principal, now).expires_at
        if own_expiry is not None and (expires_at or own_expiry) > own_expiry:
            raise InvalidExpiry("A key cannot make one that outlives it.")
        agents = Agent.objects.filter(organization_id=principal.organization_id)
        if agent_id is not None and not agents.filter(id=agent_id).exists():
            raise UnknownReference("The organization has no such agent.")
        organization = Organization.objects.get(id=principal.organization_id)
        return _mint(
            organization,
            name=name,
            scopes=wanted,
            actor=principal.actor,
            owner_id=principal.actor_id,
            agent_id=agent_id,
            expires_at=expires_at or own_expiry,
            made_with=principal.key_id,
        )


def revoke_api_key(principal: Principal, row_id: uuid.UUID, *, expected: list[int] | None, now: datetime) -> None:
    """Revoke a key of the caller's organization for good; revoking it again changes nothing.

    Raises APIKey.DoesNotExist, PreconditionFailed.
    """
    with tenancy.organization(principal.organization_id):
        row = APIKey.objects.select_for_update().get(organization_id=principal.organization_id, id=row_id)
        _expect(row, expected)
        mark_revoked(row, actor=principal.actor, now=now)


def mark_revoked(row: APIKey, *, actor: str, now: datetime) -> None:
    """Revoke a locked key inside the open scope; this process refuses it as soon as that commits."""
    if row.revoked_at is None:
        row.revoked_at = now
        row.save_change("revoked_at")
        _note(Action.API_KEY_REVOKED, row, actor)
        transaction.on_commit(lambda: forget(row.key_id))


def bootstrap(*, email: str, slug: str) -> tuple[SignUp, str] | None:
    """On the first start make an operator, an organization and a key, and return them with the password; else None."""
    password = secrets.token_urlsafe(18)
    try:
        with tenancy.system():
            if Organization.objects.exists() or User.objects.filter(is_superuser=True).exists():
                return None
            made = sign_up(email=email, display_name="Operator", password=password, name=slug.title(), slug=slug)
            made.user.is_staff = made.user.is_superuser = True
            made.user.save(update_fields=["is_staff", "is_superuser"])
    except (EmailTaken, SlugTaken):
        # Another machine made its first start on the same database at this moment.
        return None
    return made, password


def issue_operator_key(
    organization: Organization,
    *,
    name: str,
    scopes: Iterable[str],
    user: User | None = None,
    agent: Agent | None = None,
    expires_at: datetime | None = None,
    actor: str,
    now: datetime,
) -> MintedKey:
    """Create a key for an operator, in the system scope. Raises InvalidExpiry, UnknownReference."""
    _check_expiry(expires_at, now)
    with tenancy.system():
        if user and not Membership.objects.filter(organization=organization, user=user).exists():
            raise UnknownReference("This user is not a member of the organization.")
        if agent and agent.organization_id != organization.id:
            raise UnknownReference("The organization has no such agent.")
        return _mint(
            organization,
            name=name,
            scopes=sorted(set(scopes)),
            actor=actor,
            owner_id=organization.owner_id,
            user=user,
            agent=agent,
            expires_at=expires_at,
        )


def _check_expiry(expires_at: datetime | None, now: datetime) -> None:
    if expires_at is not None and not now < expires_at <= now + MAX_KEY_LIFETIME:
        raise InvalidExpiry("expires_at must lie in the future, at most ten years from now.")


def _mint(
    organization: Organization,
    *,
    name: str,
    scopes: Iterable[str],
    actor: str,
    owner_id: uuid.UUID,
    made_with: uuid.UUID | None = None,
    **bearer: Any,
) -> MintedKey:
    made = keys.generate()
    row = APIKey.objects.create(
        organization=organization,
        owner_id=owner_id,
        key_id=made.key_id,
        digest=made.digest,
        name=name,
        scopes=list(scopes),
        **bearer,
    )
    facts = {"made_with": str(made_with)} if made_with else {}
    _note(Action.API_KEY_CREATED, row, actor, scopes=row.scopes, **facts)
    return MintedKey(row, made.text)


# What a change of each subject is called in the event log and in audit.
SUBJECTS: dict[type[Organization | TenantModel], str] = {
    Organization: "organization",
    Membership: "membership",
    Agent: "agent",
    APIKey: "api-key",
}


def _note(action: Action, row: Organization | TenantModel, actor: str, **facts: Any) -> None:
    """Write the audit entry and the event of one change."""
    organization_id = row.id if isinstance(row, Organization) else row.organization_id
    subject = SUBJECTS[type(row)]
    record(action, organization_id=organization_id, actor=actor, subject_type=subject, subject_id=row.id, **facts)
    announce(Change(organization_id, subject, row.id, row.generation, str(action), row.owner_id, actor, facts))


def _expect(row: Organization | TenantModel, expected: list[int] | None) -> None:
    if expected is not None and row.generation not in expected:
        raise PreconditionFailed(f"The current generation is {row.generation}.")


def _check_password(password: str, user: User) -> None:
    try:
        validate_password(password, user)
    except ValidationError as error:
        raise WeakPassword(" ".join(error.messages)) from None


@contextmanager
def _constraints() -> Iterator[None]:
    """Turn the violation of a known constraint into its domain error, outside the transaction that it broke."""
    try:
        yield
    except IntegrityError as error:
        name = getattr(getattr(error.__cause__, "diag", None), "constraint_name", None)
        if name not in CONSTRAINTS:
            raise
        kind, sentence = CONSTRAINTS[name]
        raise kind(sentence) from None
