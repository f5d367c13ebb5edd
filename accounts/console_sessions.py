"""The console's sessions: rows that name their user, found by a digest of the cookie, ended by age and by idleness."""

import hashlib
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from django.contrib.auth import SESSION_KEY
from django.contrib.sessions.backends.base import CreateError, UpdateError
from django.contrib.sessions.backends.db import SessionStore as DatabaseStore
from django.db import IntegrityError, transaction
from django.utils import timezone

from accounts.models import ConsoleSession


@dataclass(frozen=True)
class Visitor:
    """Who sends a request: the address, and what the browser says it is."""

    address: str | None = None
    user_agent: str = ""


def digest(session_key: str) -> str:
    """Return what is kept of a key: whoever reads the table cannot sign in with it."""
    return hashlib.sha256(session_key.encode(errors="backslashreplace")).hexdigest()


class SessionStore(DatabaseStore):
    """Django's store of sessions in the database, as its documentation extends it."""

    visitor = Visitor()
    # A session under a new key (of a sign-in, a changed password) is as old as the one that it continues.
    started_at: datetime | None = None

    @classmethod
    def get_model_class(cls) -> type[ConsoleSession]:
        return ConsoleSession

    def load(self) -> dict[str, Any]:
        now = timezone.now()
        found = ConsoleSession.objects.live(now).filter(session_key=digest(self.session_key or "")).first()
        if found is None:
            self._session_key = None
            return {}
        found.see(now, self.visitor.address, self.visitor.user_agent)
        self.started_at = found.started_at
        data: dict[str, Any] = self.decode(found.session_data)
        return data

    def exists(self, session_key: str) -> bool:
        found: bool = ConsoleSession.objects.filter(session_key=digest(session_key)).exists()
        return found

    def save(self, must_create: bool = False) -> None:
        """Write the session. One that was ended meanwhile is not made again: raises UpdateError."""
        if self.session_key is None:
            self.create()
            return
        data = self._get_session(no_load=must_create)  # type: ignore[attr-defined]
        written = {"session_data": self.encode(data), "user_id": data.get(SESSION_KEY)}
        if must_create:
            self._insert(**written)
        elif not ConsoleSession.objects.filter(session_key=digest(self.session_key)).update(**written):
            raise UpdateError

    def _insert(self, **written: Any) -> None:
        now = timezone.now()
        started_at = self.started_at or now
        try:
            with transaction.atomic():
                ConsoleSession.objects.create(
                    session_key=digest(self.session_key or ""),
                    started_at=started_at,
                    last_seen_at=now,
                    expire_date=ConsoleSession.end(started_at, now),
                    address=self.visitor.address,
                    user_agent=self.visitor.user_agent,
                    **written,
                )
        except IntegrityError:
            raise CreateError from None

    def flush(self) -> None:
        super().flush()
        self.started_at = None

    def delete(self, session_key: str | None = None) -> None:
        if key := session_key or self.session_key:
            ConsoleSession.objects.filter(session_key=digest(key)).delete()

    @classmethod
    def clear_expired(cls) -> None:
        ConsoleSession.objects.over(timezone.now()).delete()
