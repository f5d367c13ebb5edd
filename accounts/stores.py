"""Settings of users for Python programs, with or without Django: `SettingsStore(user_id="user123")`."""

from collections.abc import Collection
from typing import Any, NamedTuple
from uuid import UUID

from accounts.statements import LOAD_SETTINGS, STORE_SETTINGS
from api import faithful
from api.executors import StoreUnavailable, executor_for
from api.faithful import InvalidDocument
from api.pools import close_stores

__all__ = [
    "InvalidDocument", "LoadedSettings", "PostgresSettingsStore", "SettingsConflict", "SettingsStore",
    "SettingsTooLarge", "StoreUnavailable", "UnknownUser", "close_stores",
]  # fmt: skip

MAX_SETTINGS_BYTES = 1024 * 1024


class UnknownUser(Exception):
    """Raised when no user has this id or external id."""


class SettingsConflict(Exception):
    """Raised when settings are stored on the condition of another generation than they have."""

    def __init__(self, generation: int) -> None:
        super().__init__(f"The current generation is {generation}.")
        self.generation = generation


class SettingsTooLarge(Exception):
    """Raised when settings, also ones that patches have grown, would pass 1 MiB."""


class LoadedSettings(NamedTuple):
    """Settings with their generation: 0 and None where none were ever stored."""

    generation: int
    settings: dict[str, Any] | None


def settings_text(settings: Any) -> str:
    """Return the text that is stored; raises InvalidDocument, SettingsTooLarge."""
    return bounded(faithful.write(faithful.document_of(settings)))


def bounded(text: str) -> str:
    if len(text.encode()) > MAX_SETTINGS_BYTES:
        raise SettingsTooLarge(f"Settings take at most {MAX_SETTINGS_BYTES} bytes.")
    return text


class SettingsStore:
    """The settings of one user, who is named by id or by external id; an id is looked for first.

    The store asks nobody whether it may: it reads and writes the settings of whichever user it is given. It is for
    trusted code, which holds the credentials of the database. What others may do goes through the API.

    With a `connection` (a psycopg AsyncConnection, a SQLAlchemy AsyncSession or AsyncConnection) it works in that
    connection's transaction, and what it stores is there for others once the caller commits. Without one it has
    connections of its own, to `database_url`, else to where a configured Django connects, else to what DATABASE_URL or
    DB_* name; they stay open until `close_stores()`.
    """

    def __init__(self, user_id: str | UUID, *, connection: Any = None, database_url: str | None = None) -> None:
        self.user_id = str(user_id)
        self._executor = executor_for(connection, database_url=database_url)

    async def load(self) -> dict[str, Any] | None:
        """Return the settings as they were stored, or None where none ever were.

        Raises UnknownUser, StoreUnavailable.
        """
        return (await self.load_with_generation()).settings

    async def load_with_generation(self) -> LoadedSettings:
        """Return the settings and the generation on which a later `store` may be made conditional."""
        [(generation, text)] = await self._rows(LOAD_SETTINGS)
        return LoadedSettings(generation, None if text is None else faithful.read(text))

    async def store(self, settings: Any, *, expected: int | Collection[int] | None = None) -> int:
        """Replace the settings by a dictionary or a pydantic model; return the new generation.

        `expected` is the generation that they must have now, or several of them; 0 for none stored yet. Tuples come
        back as lists. Raises SettingsConflict, SettingsTooLarge, InvalidDocument, UnknownUser, StoreUnavailable; after
        the last one, whether they were stored is not known.
        """
        wanted = [expected] if isinstance(expected, int) else expected
        text = settings_text(settings)
        [(stored, generation)] = await self._rows(STORE_SETTINGS, text, None if wanted is None else list(wanted))
        if not stored:
            raise SettingsConflict(generation)
        return int(generation)

    async def _rows(self, statement: str, *parameters: Any) -> list[tuple[Any, ...]]:
        if "\x00" in self.user_id:
            # PostgreSQL takes no such text.
            raise UnknownUser("There is no such user.")
        rows = await self._executor.rows(statement, (self.user_id, *parameters))
        if not rows:
            raise UnknownUser(f"There is no user {self.user_id!r}.")
        return rows


class PostgresSettingsStore(SettingsStore):
    """The same under the name, and with the parameters, that programs of existing agent stacks know."""

    def __init__(self, session: Any, user_id: str | UUID) -> None:
        super().__init__(user_id, connection=session)
