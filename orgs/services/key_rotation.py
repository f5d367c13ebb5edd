"""Verbs that replace a key by a new one, while the old one goes on for an overlap."""

import uuid
from datetime import datetime, timedelta

from django.db import transaction
from django.db.models import Q

from audit.models import Action
from orgs import tenancy
from orgs.authentication import confirm, find_place, forget
from orgs.models import APIKey, Organization
from orgs.principals import Principal
from orgs.services.api_keys import MintedKey, lock_with_own, mark_revoked, mint
from orgs.services.key_policy import End, check_expiry, earliest, lock_policy, named_end, new_end
from orgs.services.key_powers import check_environment, check_identity, check_rotation
from orgs.services.recording import expect, note

DEFAULT_OVERLAP = timedelta(days=1)
MAX_OVERLAP = timedelta(days=30)


class KeyRotated(Exception):
    """Raised when a key is to be replaced that has its successor already."""


class KeyOverlapping(Exception):
    """Raised when a key is to be replaced whose own predecessor still works: else one key could become any number."""


class KeyEnded(Exception):
    """Raised when a key is to be replaced that was revoked, has expired, or whose user has left."""


class KeyMissing(Exception):
    """Raised when a caller who came without a key asks for something about it."""


def rotate_api_key(
    principal: Principal,
    row_id: uuid.UUID,
    *,
    overlap: timedelta,
    expires_at: datetime | None,
    expected: list[int] | None,
    user_id: uuid.UUID | None = None,
    now: datetime,
) -> MintedKey:
    """Replace a key of the caller's organization, or only one of `user_id`, at most as powerful as the caller's own.

    The new one lives as long as somebody said of the old one, where nothing is named, else as the organization's
    policy has it, which bounds it as the calling key's named end does. Of two at once the second finds the key
    replaced.
    Raises APIKey.DoesNotExist, PreconditionFailed, EnvironmentRefused, ScopeMissing, KeyRotated, KeyOverlapping,
    KeyEnded, InvalidExpiry, KeyRevoked, KeyExpired.
    """
    with tenancy.organization(principal.organization_id):
        organization = lock_policy(principal.organization_id)
        own = lock_with_own(principal, row_id, now)
        keys = APIKey.objects.filter(organization_id=organization.id)
        row = (keys if user_id is None else keys.filter(user_id=user_id)).get(id=row_id)
        expect(row, expected)
        check_environment(principal, row.environment)
        check_rotation(principal, own, row)
        _check_replaceable(row, now)
        _check_user(principal, row)
        bound = named_end(own)
        if expires_at is not None:
            check_expiry(organization, expires_at, bound=bound, now=now)
        return _replace(
            organization,
            row,
            end=new_end(organization, now, expires_at or _same_life(row, now), bound),
            overlap=overlap,
            actor=principal.actor,
            owner_id=principal.actor_id,
            made_with=principal.key_id,
            now=now,
        )


def rotate_own_key(principal: Principal, *, overlap: timedelta, now: datetime) -> MintedKey:
    """Replace the calling key, whatever its scopes. The new one keeps an end that somebody named.

    No key prolongs its own life beyond what was meant for it. One that ends by policy was meant to live on, with a new
    secret each time.

    Raises KeyMissing, KeyRotated, KeyOverlapping, KeyRevoked, KeyExpired.
    """
    with tenancy.organization(principal.organization_id):
        organization = lock_policy(principal.organization_id)
        own = confirm(principal, now)
        if own is None:
            raise KeyMissing("The call came without an API key.")
        _check_replaceable(own, now)
        return _replace(
            organization,
            own,
            end=new_end(organization, now, named_end(own)),
            overlap=overlap,
            actor=principal.actor,
            owner_id=principal.actor_id,
            made_with=own.id,
            now=now,
        )


def rotate_operator_key(row_id: uuid.UUID, *, overlap: timedelta, actor: str, now: datetime) -> MintedKey:
    """Do the same for an operator, in the system scope. Raises what `rotate_api_key` does of the key."""
    with tenancy.system():
        organization = lock_policy(APIKey.objects.values_list("organization_id", flat=True).get(id=row_id))
        row = APIKey.objects.select_for_update().get(id=row_id)
        _check_replaceable(row, now)
        return _replace(
            organization,
            row,
            end=new_end(organization, now, _same_life(row, now)),
            overlap=overlap,
            actor=actor,
            owner_id=organization.owner_id,
            made_with=None,
            now=now,
        )


def revoke_with_successors(row_id: uuid.UUID, *, actor: str, now: datetime) -> list[APIKey]:
    """Revoke a key and all that replaced it since, inside the open system scope; return them, the oldest first.

    For a key that leaked: any key may rotate itself, so who found it may hold its successor. The organization is locked
    first, as by everyone who rotates, so that meanwhile no further one comes. Raises APIKey.DoesNotExist.
    """
    organization_id = APIKey.objects.get(id=row_id).organization_id
    # Also one that is being erased, which `lock_policy` does not find.
    Organization.objects.select_for_update(no_key=True).get(id=organization_id)
    keys = APIKey.objects.filter(organization_id=organization_id)
    chain, following = [row_id], keys.get(id=row_id).replaced_by_id
    while following is not None:
        chain.append(following)
        following = keys.get(id=following).replaced_by_id
    locked = {row.id: row for row in keys.filter(id__in=chain).order_by("id").select_for_update()}
    rows = [locked[one] for one in chain]
    for row in rows:
        mark_revoked(row, actor=actor, now=now)
    return rows


def _check_replaceable(row: APIKey, now: datetime) -> None:
    if row.revoked_at is not None:
        raise KeyEnded("The key was revoked.")
    if row.replaced_by_id is not None:
        raise KeyRotated("The key has been replaced already.")
    if row.expires_at is not None and row.expires_at <= now:
        raise KeyEnded("The key has expired.")
    before = APIKey.objects.filter(organization_id=row.organization_id, replaced_by_id=row.id, revoked_at=None)
    if before.filter(Q(expires_at=None) | Q(expires_at__gt=now)).exists():
        raise KeyOverlapping("The key that this one replaces still works: wait until it ends, or revoke it.")


def _check_user(principal: Principal, row: APIKey) -> None:
    if row.user_id is None:
        return
    place = find_place(row.organization_id, row.user_id)
    if place is None:
        raise KeyEnded("The key's user has left the organization.")
    check_identity(principal, place, row.scopes)


def _same_life(row: APIKey, now: datetime) -> datetime | None:
    """Return a new end as far off as the one that somebody named for a key; of any other the policy says it."""
    named = named_end(row)
    return None if named is None else now + (named - row.created_at)


def _replace(
    organization: Organization,
    row: APIKey,
    *,
    end: End,
    overlap: timedelta,
    actor: str,
    owner_id: uuid.UUID,
    made_with: uuid.UUID | None,
    now: datetime,
) -> MintedKey:
    """Mint the successor of a locked key and have the old one end with the overlap, both in the open transaction."""
    minted = mint(
        organization,
        name=row.name,
        scopes=row.scopes,
        environment=row.environment,
        actor=actor,
        owner_id=owner_id,
        made_with=made_with,
        user_id=row.user_id,
        agent_id=row.agent_id,
        end=end,
        replaces=row,
    )
    row.replaced_by = minted.row
    row.expires_at = earliest(row.expires_at, now + overlap)
    assert row.expires_at is not None
    # It was ended by somebody: what it makes until then does not outlive it.
    row.ends_by_policy = False
    row.save_change("replaced_by", "expires_at", "ends_by_policy")
    facts = {"replaced_by": str(minted.row.id), "expires_at": row.expires_at.isoformat()}
    note(Action.API_KEY_ROTATED, row, actor, **facts)
    transaction.on_commit(lambda: forget(row.key_id))
    return minted
