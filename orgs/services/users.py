"""Verbs of a caller who is a user, on what is theirs in every organization: profile, preferences and settings.

None of it belongs to an organization: it is read and written in the system scope, always by the caller's own id, its
audit entries are no organization's, and no event tells of it.
"""

from typing import Any, NamedTuple

from accounts.models import User
from accounts.statements import LOAD_SETTINGS, STORE_SETTINGS
from accounts.stores import bounded
from api import documents
from api.etags import PreconditionFailed
from api.merging import merge
from api.responses import Document
from audit.models import Action
from audit.services import record_of_user
from orgs import functions, tenancy
from orgs.models import Membership
from orgs.permissions import Scope
from orgs.principals import Principal, require_user

MAX_PREFERENCES_BYTES = 16 * 1024
# Of a user, as GET /me lists them.
MOST_MEMBERSHIPS = 1000


class PreferencesTooLarge(Exception):
    """Raised when preferences, also ones that patches have grown, would pass 16 KiB."""


class Myself(NamedTuple):
    """A user, and their places in organizations, newest first."""

    user: User
    memberships: list[Membership]


def get_myself(principal: Principal) -> Myself:
    """Return the caller; without `me:read` only with their place in the calling organization. Raises UserRequired."""
    user_id = require_user(principal)
    with tenancy.system():
        places = Membership.objects.filter(user_id=user_id, organization__closed_at=None).select_related("organization")
        if Scope.ME_READ not in principal.scopes:
            places = places.filter(organization_id=principal.organization_id)
        return Myself(User.objects.get(id=user_id), list(places[:MOST_MEMBERSHIPS]))


def change_myself(principal: Principal, *, changes: dict[str, Any], expected: list[int] | None) -> None:
    """Set the display name, merge-patch the preferences; what stays as it was is no change.

    Raises UserRequired, PreconditionFailed, PreferencesTooLarge.
    """
    user_id = require_user(principal)
    with tenancy.system():
        user = User.objects.select_for_update(no_key=True).get(id=user_id)
        _expect(user.generation, expected)
        changed = _apply(user, changes)
        if changed:
            user.save(update_fields=changed)
            record_of_user(
                Action.USER_CHANGED,
                user_id,
                actor=principal.actor,
                fields=changed,
            )


def _apply(user: User, changes: dict[str, Any]) -> list[str]:
    """Set what differs, and return the names of it."""
    changed = []
    if changes.get("display_name", user.display_name) != user.display_name:
        user.display_name = changes["display_name"]
        changed.append("display_name")
    if "preferences" in changes:
        before = user.preferences.encoded_json
        text = documents.dumps(merge(documents.read(before), changes["preferences"]))
        if len(text.encode()) > MAX_PREFERENCES_BYTES:
            raise PreferencesTooLarge(f"Preferences take at most {MAX_PREFERENCES_BYTES} bytes.")
        if text != before:
            user.preferences = documents.Raw(text)
            changed.append("preferences")
    return changed


def get_settings(principal: Principal) -> Document:
    """Return the caller's settings: generation 0 and an empty object where none were ever stored.

    Raises UserRequired.
    """
    generation, text = functions.call(LOAD_SETTINGS, [str(require_user(principal))])
    return Document(generation, text or "{}")


def replace_settings(principal: Principal, settings: dict[str, Any], *, expected: list[int] | None) -> Document:
    """Raises UserRequired, PreconditionFailed, SettingsTooLarge."""
    return _store(principal, bounded(documents.dumps(settings)), expected)


def merge_settings(principal: Principal, patch: dict[str, Any], *, expected: list[int] | None) -> Document:
    """Merge-patch the settings; concurrent patches are applied one after the other, none is lost.

    The user's row is what writers of settings lock, since of settings there may be no row yet.
    Raises UserRequired, PreconditionFailed, SettingsTooLarge.
    """
    user_id = require_user(principal)
    with tenancy.system():
        User.objects.select_for_update(no_key=True).get(id=user_id)
        current = get_settings(principal)
        _expect(current.generation, expected)
        return _store(principal, bounded(documents.dumps(merge(documents.read(current.text), patch))), None)


def _store(principal: Principal, text: str, expected: list[int] | None) -> Document:
    user_id = require_user(principal)
    with tenancy.system():
        stored, generation = functions.call(STORE_SETTINGS, [str(user_id), text, expected])
        if not stored:
            raise PreconditionFailed(f"The current generation is {generation}.")
        record_of_user(
            Action.USER_SETTINGS_CHANGED,
            user_id,
            actor=principal.actor,
            generation=generation,
        )
    return Document(generation, text)


def _expect(generation: int, expected: list[int] | None) -> None:
    if expected is not None and generation not in expected:
        raise PreconditionFailed(f"The current generation is {generation}.")
