"""How long an organization's keys may live: the policy, and what it makes of one key."""

import uuid
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from django.db.models import Q

from audit.models import Action
from orgs import tenancy
from orgs.models import MAX_KEY_DAYS, APIKey, Organization
from orgs.principals import Principal
from orgs.services.recording import expect, note

MAX_KEY_LIFETIME = timedelta(days=MAX_KEY_DAYS)
# So many keys are shortened in one transaction; asking again shortens the rest.
MOST_SHORTENED = 500
# The settings by their names on the wire.
COLUMNS = {"max_lifetime_days": "key_max_days", "reminder_days": "key_reminder_days"}


class InvalidExpiry(Exception):
    """Raised when a key would expire in the past, or later than ten years, its organization or its maker allows."""


@dataclass(frozen=True)
class ChangedPolicy:
    """The organization under its new policy, and how many keys end sooner for it."""

    organization: Organization
    shortened: int


def lock_policy(organization_id: uuid.UUID) -> Organization:
    """Lock the organization inside the open scope: its policy stays what it is until what is made under it commits.

    The first lock of whoever makes a key, before those of keys and memberships. A policy that is changed meanwhile
    waits, and then finds the new key among the existing ones.
    """
    return Organization.objects.select_for_update(no_key=True).get(id=organization_id)


def check_expiry(organization: Organization, wanted: datetime, *, now: datetime, bound: datetime | None = None) -> None:
    """Refuse an end that somebody named; `bound` is that of the key which makes the new one. Raises InvalidExpiry."""
    if not now < wanted <= now + MAX_KEY_LIFETIME:
        raise InvalidExpiry("expires_at must lie in the future, at most ten years from now.")
    if bound is not None and wanted > bound:
        raise InvalidExpiry("A key cannot make one that outlives it.")
    limit = policy_end(organization, now)
    if limit is not None and wanted > limit:
        raise InvalidExpiry(f"A key of this organization may live at most {organization.key_max_days} days.")


def policy_end(organization: Organization, now: datetime) -> datetime | None:
    """Return the last moment of a key that is made now, or None where there is no limit."""
    return None if organization.key_max_days is None else now + timedelta(days=organization.key_max_days)


def earliest(*ends: datetime | None) -> datetime | None:
    """Return the earliest of these ends; None is never."""
    return min((end for end in ends if end is not None), default=None)


def set_key_policy(
    principal: Principal,
    *,
    changes: Mapping[str, Any],
    apply_to_existing: bool,
    expected: list[int] | None,
    now: datetime,
) -> ChangedPolicy:
    """Set the given settings (COLUMNS); with `apply_to_existing` also end existing keys as if they were made now.

    At most MOST_SHORTENED keys at a time, the oldest first. Raises PreconditionFailed.
    """
    with tenancy.organization(principal.organization_id):
        organization = lock_policy(principal.organization_id)
        expect(organization, expected)
        changed = {name: to for name, to in changes.items() if getattr(organization, COLUMNS[name]) != to}
        for name, to in changed.items():
            setattr(organization, COLUMNS[name], to)
        shortened = _shorten_keys(organization, principal.actor, now) if apply_to_existing else 0
        if changed or shortened:
            organization.save_change(*(COLUMNS[name] for name in changed))
            facts = {f"api_keys.{name}": to for name, to in changed.items()}
            note(
                Action.ORGANIZATION_SETTINGS_CHANGED,
                organization,
                principal.actor,
                changed=facts,
                shortened_keys=shortened,
            )
    return ChangedPolicy(organization, shortened)


def _shorten_keys(organization: Organization, actor: str, now: datetime) -> int:
    """Give the keys that outlive the policy an earlier end, also one that is replaced and in its overlap."""
    limit = policy_end(organization, now)
    if limit is None:
        return 0
    keys = APIKey.objects.filter(organization_id=organization.id, revoked_at=None)
    longer = keys.filter(Q(expires_at=None) | Q(expires_at__gt=limit)).order_by("id")
    found = list(longer.select_for_update(no_key=True)[:MOST_SHORTENED])
    for key in found:
        key.expires_at, key.reminded_at = limit, None
        key.save_change("expires_at", "reminded_at")
        note(Action.API_KEY_SHORTENED, key, actor, expires_at=limit.isoformat())
    return len(found)
