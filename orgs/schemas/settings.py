"""The settings of an organization on the wire."""

from typing import Annotated, Any

from pydantic import AfterValidator, Field

from api.metadata import MetadataPatch
from api.values import INTEGER, Flag
from orgs.models import DELETION_DELAY_DAYS, MAX_DELETION_DELAY_DAYS, MAX_KEY_DAYS, MAX_REMINDER_DAYS, Organization
from orgs.schemas import In, Out, not_null

DelayDays = Annotated[
    int,
    Field(
        ge=1,
        le=MAX_DELETION_DELAY_DAYS,
        description=f"Days between the request to delete the organization and its end; {DELETION_DELAY_DAYS} at first.",
    ),
    INTEGER,
]


class KeySettings(Out):
    max_lifetime_days: int | None
    reminder_days: int


class DeletionSettings(Out):
    delay_days: int


class SettingsOut(Out):
    """`generation` is the organization's."""

    api_keys: KeySettings
    deletion: DeletionSettings
    metadata: Any
    generation: int


class ChangedSettingsOut(SettingsOut):
    shortened_keys: int


class KeySettingsPatch(In):
    """`max_lifetime_days` null is no limit; `reminder_days` 0 is no reminder.

    `apply_to_existing` also gives the keys that outlive the limit an earlier end: as if they were made now.
    """

    max_lifetime_days: Annotated[int, Field(ge=1, le=MAX_KEY_DAYS), INTEGER] | None = None
    reminder_days: Annotated[int, Field(ge=0, le=MAX_REMINDER_DAYS), INTEGER] = 14
    apply_to_existing: Flag = False


class DeletionPatch(In):
    delay_days: Annotated[DelayDays | None, AfterValidator(not_null)] = None


class SettingsPatch(In):
    """What is left out stays as it is; metadata is replaced as a whole."""

    api_keys: Annotated[KeySettingsPatch | None, AfterValidator(not_null)] = None
    deletion: Annotated[DeletionPatch | None, AfterValidator(not_null)] = None
    metadata: Annotated[MetadataPatch | None, AfterValidator(not_null)] = None

    @property
    def apply_to_existing(self) -> bool:
        return self.api_keys is not None and self.api_keys.apply_to_existing

    def changes(self) -> dict[str, Any]:
        """Return what is to change, by its name in settings."""
        given = self.model_dump(exclude_unset=True, exclude={"api_keys": {"apply_to_existing"}, "metadata": True})
        found = {f"{part}.{name}": value for part, values in given.items() for name, value in values.items()}
        return found | ({} if self.metadata is None else {"metadata": self.metadata})


def settings_of(organization: Organization) -> dict[str, Any]:
    """Return what SettingsOut shows."""
    return {
        "api_keys": {
            "max_lifetime_days": organization.key_max_days,
            "reminder_days": organization.key_reminder_days,
        },
        "deletion": {"delay_days": organization.deletion_delay_days},
        "metadata": organization.metadata,
        "generation": organization.generation,
    }
