"""Verbs that change what an organization has decided for itself."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from audit.models import Action
from orgs import limits, tenancy
from orgs.authentication import confirm
from orgs.keys import Environment
from orgs.models import Organization
from orgs.principals import Principal
from orgs.services.key_policy import shorten_keys
from orgs.services.key_powers import check_environment
from orgs.services.recording import expect, note

# The columns of the settings by the names that callers know them by.
COLUMNS = {
    "api_keys.max_lifetime_days": "key_max_days",
    "api_keys.reminder_days": "key_reminder_days",
    "deletion.delay_days": "deletion_delay_days",
    "metadata": "metadata",
}
OF_KEYS = "api_keys."


@dataclass(frozen=True)
class Changed:
    """The organization under its new settings, and how many keys end sooner for them."""

    organization: Organization
    shortened_keys: int


def change_settings(
    principal: Principal,
    *,
    changes: Mapping[str, Any],
    apply_to_existing: bool = False,
    expected: list[int] | None,
    now: datetime,
) -> Changed:
    """Set the named settings; with `apply_to_existing` also end existing keys as if they were made now.

    At most MOST_SHORTENED keys at a time, the oldest first. Audit and event tell the values, but of metadata only that
    it changed. Raises PreconditionFailed, EnvironmentRefused, ScopeMissing, KeyRevoked, KeyExpired.
    """
    if apply_to_existing or any(name.startswith(OF_KEYS) for name in changes):
        # The policy is one for the keys of all environments.
        check_environment(principal, Environment.PRODUCTION)
    with tenancy.organization(principal.organization_id):
        found = limits.lock(principal.organization_id)
        confirm(principal, now)
        expect(found, expected)
        stays = [name for name in changes if name != "metadata" and getattr(found, COLUMNS[name]) == changes[name]]
        changed = {name: to for name, to in changes.items() if name not in stays}
        for name, to in changed.items():
            setattr(found, COLUMNS[name], to)
        shortened = shorten_keys(found, principal.actor, now) if apply_to_existing else 0
        if changed or shortened:
            found.save_change(*(COLUMNS[name] for name in changed))
            told = {name: to for name, to in changed.items() if name != "metadata"}
            facts = {"shortened_keys": shortened} if apply_to_existing else {}
            action = Action.ORGANIZATION_SETTINGS_CHANGED
            note(action, found, principal.actor, settings=sorted(changed), values=told, **facts)
    return Changed(found, shortened)
