"""How long an organization's keys may live: the policy, and what it makes of one key."""

import uuid
from dataclasses import dataclass
from datetime import datetime, timedelta

from django.db.models import Q

from audit.models import Action
from orgs import limits
from orgs.models import MAX_KEY_DAYS, APIKey, Organization
from orgs.services.recording import note

MAX_KEY_LIFETIME = timedelta(days=MAX_KEY_DAYS)
# So many keys are shortened in one transaction; asking again shortens the rest.
MOST_SHORTENED = 500


class InvalidExpiry(Exception):
    """Raised when a key would expire in the past, or later than ten years, its organization or its maker allows."""


@dataclass(frozen=True)
class End:
    """When a new key ends, if ever, and whether the policy alone says so."""

    at: datetime | None
    by_policy: bool = False


ENDLESS = End(None)


def lock_policy(organization_id: uuid.UUID) -> Organization:
    """Lock the organization inside the open scope: its policy stays what it is until what is made under it commits.

    The first lock of whoever makes a key, before those of keys and memberships. A policy that is changed meanwhile
    waits, and then finds the new key among the existing ones.
    """
    return limits.lock(organization_id)


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


def new_end(organization: Organization, now: datetime, *named: datetime | None) -> End:
    """Return the end of a key that is made now: the earliest of those that somebody named, within the policy.

    Only where none was named does it end by policy. A bound that lies beyond the policy's end still bounds the keys
    that come of this one: else a chain of them would outlive it.
    """
    bound, limit = earliest(*named), policy_end(organization, now)
    return End(earliest(bound, limit), by_policy=bound is None and limit is not None)


def named_end(key: APIKey | None) -> datetime | None:
    """Return the end that somebody named, which bounds what a key makes; that of the policy, or of no key, is None.

    If the policy's end did, then once all keys of an organization have one, none could be replaced in time.
    """
    return None if key is None or key.ends_by_policy else key.expires_at


def earliest(*ends: datetime | None) -> datetime | None:
    """Return the earliest of these ends; None is never."""
    return min((end for end in ends if end is not None), default=None)


def shorten_keys(organization: Organization, actor: str, now: datetime) -> int:
    """Give the keys that outlive the policy an earlier end, also one that is replaced and in its overlap.

    Those that had none end by policy from now on. An end that somebody named goes on to bound, earlier than it was.
    """
    limit = policy_end(organization, now)
    if limit is None:
        return 0
    keys = APIKey.objects.filter(organization_id=organization.id, revoked_at=None)
    longer = keys.filter(Q(expires_at=None) | Q(expires_at__gt=limit)).order_by("id")
    found = list(longer.select_for_update(no_key=True)[:MOST_SHORTENED])
    for key in found:
        key.ends_by_policy = named_end(key) is None
        key.expires_at, key.reminded_at = limit, None
        key.save_change("expires_at", "ends_by_policy", "reminded_at")
        note(Action.API_KEY_SHORTENED, key, actor, expires_at=limit.isoformat())
    return len(found)
