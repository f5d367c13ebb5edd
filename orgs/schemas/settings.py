"""An organization's settings on the wire."""

from typing import Annotated

from pydantic import Field

from api.values import INTEGER, Flag
from orgs.models import MAX_KEY_DAYS, MAX_REMINDER_DAYS
from orgs.schemas import In, Out


class KeySettingsPatch(In):
    """`max_lifetime_days` null is no limit; `reminder_days` 0 is no reminder.

    `apply_to_existing` also gives the keys that outlive the limit an earlier end: as if they were made now.
    """

    max_lifetime_days: Annotated[int, Field(ge=1, le=MAX_KEY_DAYS), INTEGER] | None = None
    reminder_days: Annotated[int, Field(ge=0, le=MAX_REMINDER_DAYS), INTEGER] = 14
    apply_to_existing: Flag = False


class SettingsPatch(In):
    api_keys: KeySettingsPatch


class KeySettingsOut(Out):
    max_lifetime_days: int | None
    reminder_days: int


class SettingsOut(Out):
    """`generation` is the organization's."""

    api_keys: KeySettingsOut
    generation: int


class ChangedSettingsOut(SettingsOut):
    shortened_keys: int
