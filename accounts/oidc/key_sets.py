"""An issuer's keys as this process knows them: believed for a while, read anew for a key that is not among them.

Reading takes place in a thread of its own. Whoever has keys to go on with does not wait for it. Whoever has none waits
for half a second, which is enough for most issuers, and a few for three more: anybody can make up a key that no issuer
has, and must not hold the threads of the others with it.
"""

import logging
import time
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from threading import Event, Lock, Semaphore, Thread
from typing import Protocol
from urllib.parse import urlsplit

from accounts.oidc import fetching
from accounts.oidc.fetching import Fetched, Unreachable
from accounts.oidc.issuers import BadIssuers, Issuer, check_url
from accounts.oidc.keys import Key, KeySet, KeySetUnreadable, read_key_set
from api import documents

logger = logging.getLogger("holdfast.oidc")

# How long keys are believed where Cache-Control says nothing, and the least and the most that it may say.
BELIEVED_SECONDS, LEAST_SECONDS, MOST_SECONDS = 600.0, 60.0, 3600.0
# How long they are gone on with while the issuer cannot be reached.
STALE_SECONDS = 24 * 3600.0
# After a failure the issuer is left alone for this long.
RETRY_SECONDS = 10.0
# Tokens of unknown keys cost their sender nothing. No more of them than this have the keys read anew in a minute, and
# after one whose key was not there either the next one has to wait for so long.
READS_A_MINUTE = 20
REST_SECONDS = 5.0
# For how long a key that was not there is taken not to be there, without another look.
MISSING_SECONDS = 10.0
# How long everybody waits for a read, from its begin.
BRIEF_SECONDS = 0.5
# A little more than what a read takes at most, discovery and keys together.
PATIENCE_SECONDS = fetching.SECONDS + 0.5

Fetch = Callable[[Issuer], Fetched]
# An algorithm and the id of a key.
Wanted = tuple[str, str | None]


class KeysUnavailable(Exception):
    """Raised when an issuer's keys, or whether it has a certain one, cannot be told just now."""


class Keys(Protocol):
    """Finds the keys of one issuer that a token may have been signed with. Raises KeysUnavailable."""

    def find(self, algorithm: str, key_id: str | None) -> list[Key]: ...


def keys_of(issuer: Issuer, patient: Semaphore) -> Keys:
    """Return the keys of an issuer; `patient` counts who may wait for a slow one, of all issuers together."""
    return RemoteKeys(issuer, patient) if issuer.key_file is None else FileKeys(issuer.key_file)


def fetch_keys(issuer: Issuer) -> Fetched:
    """Return the issuer's key set, from where its discovery document says where no address is set.

    Raises Unreachable.
    """
    ends = time.monotonic() + fetching.SECONDS
    url = issuer.key_url or read_discovery(issuer, fetching.fetch(issuer.discovery_url).raw)
    return fetching.fetch(url, seconds=max(ends - time.monotonic(), 0.1))


def read_discovery(issuer: Issuer, raw: bytes) -> str:
    """Return `jwks_uri` of a discovery document that is the issuer's own (OpenID Connect Discovery 1.0 §4.3).

    Raises Unreachable.
    """
    try:
        found = documents.parse(raw)
    except (documents.InvalidJSON, documents.TooManyValues):
        raise Unreachable("its discovery document is not strict JSON") from None
    if not isinstance(found, dict) or found.get("issuer") != issuer.name:
        raise Unreachable("its discovery document is another issuer's")
    try:
        url = check_url(str(found.get("jwks_uri", "")))
    except BadIssuers as error:
        raise Unreachable(f"jwks_uri of its discovery document {error}") from None
    if urlsplit(url).scheme == "http" and urlsplit(issuer.name).scheme == "https":
        # An issuer elsewhere has nothing to say about what is read from this machine.
        raise Unreachable("jwks_uri of its discovery document must begin with https:// as the issuer does")
    return url


class FileKeys:
    """Keys in a file, read again whenever it was changed. One that cannot be read leaves those before it in force."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._read: tuple[object, KeySet | None] = (None, None)

    def find(self, algorithm: str, key_id: str | None) -> list[Key]:
        known, keys = self._read
        try:
            found = self._path.stat()
            # A name may be given to another file of the same time and size.
            version = (found.st_mtime_ns, found.st_size, found.st_ino)
            if version != known:
                keys = self._load(keys)
                self._read = (version, keys)
        except OSError as error:
            _warn(self._path, error)
        if keys is None:
            raise KeysUnavailable("The issuer's keys cannot be read.")
        return keys.find(algorithm, key_id)

    def _load(self, before: KeySet | None) -> KeySet | None:
        try:
            with self._path.open("rb") as file:
                return read_key_set(file.read(fetching.MOST_BYTES))
        except KeySetUnreadable as error:
            _warn(self._path, error)
            return before


@dataclass(frozen=True)
class _Known:
    keys: KeySet
    read_at: float
    believed_seconds: float


@dataclass(frozen=True)
class _Read:
    """One reading of the keys, under way or done."""

    begun_at: float
    # The unknown key that it was begun for, if any.
    wanted: Wanted | None
    done: Event = field(default_factory=Event)


class RemoteKeys:
    """Keys at an address, read by one thread at a time."""

    def __init__(
        self,
        issuer: Issuer,
        patient: Semaphore,
        *,
        fetch: Fetch = fetch_keys,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._issuer, self._patient, self._fetch, self._clock = issuer, patient, fetch, clock
        self._lock = Lock()
        self._known: _Known | None = None
        self._reading: _Read | None = None
        self._failed_at: float | None = None
        self._vain_at: float | None = None
        self._missing: dict[Wanted, float] = {}
        self._asked_at: deque[float] = deque()

    def find(self, algorithm: str, key_id: str | None) -> list[Key]:
        called_at, wanted = self._clock(), (algorithm, key_id)
        known = self._believable(called_at)
        # A read that was under way when the token came may have begun before its key was there: hence twice.
        for _ in range(2):
            found = known.keys.find(*wanted)
            if found or known.read_at >= called_at or self._is_missing(wanted, called_at):
                return found
            self._wait(self._begin(wanted))
            known = self._known or known
        found = known.keys.find(*wanted)
        if not found and known.read_at < called_at:
            raise KeysUnavailable("Whether the issuer has this key cannot be told just now; try again.")
        return found

    def _believable(self, now: float) -> _Known:
        known = self._known
        age = now - known.read_at if known is not None else STALE_SECONDS
        if known is None or age >= 2 * known.believed_seconds:
            self._wait(self._begin())
            known = self._known
        elif age >= known.believed_seconds:
            self._begin()
        if known is None or now - known.read_at >= STALE_SECONDS:
            raise KeysUnavailable("The issuer's keys cannot be read just now; try again.")
        return known

    def _begin(self, wanted: Wanted | None = None) -> _Read | None:
        """Return the read that is under way, or begin one; None where the issuer is to be left alone."""
        with self._lock:
            if self._reading is not None:
                return self._reading
            now = self._clock()
            if self._failed_at is not None and now - self._failed_at < RETRY_SECONDS:
                return None
            if wanted is not None and not self._spend(now):
                return None
            read = _Read(now, wanted)
            Thread(target=self._read, args=(read,), name="oidc-keys", daemon=True).start()
            self._reading = read
            return read

    def _spend(self, now: float) -> bool:
        """Tell whether an unknown key may have the keys read now, and count that it does."""
        if self._vain_at is not None and now - self._vain_at < REST_SECONDS:
            return False
        while self._asked_at and now - self._asked_at[0] >= 60:
            self._asked_at.popleft()
        if len(self._asked_at) >= READS_A_MINUTE:
            return False
        self._asked_at.append(now)
        return True

    def _is_missing(self, wanted: Wanted, now: float) -> bool:
        missed_at = self._missing.get(wanted)
        return missed_at is not None and now - missed_at < MISSING_SECONDS

    def _wait(self, read: _Read | None) -> None:
        """Wait for a read: briefly, or, as one of a few, until it is overdue.

        What holds it up then (a name that is not resolved) may take long.
        """
        if read is None or read.done.wait(self._left(read, BRIEF_SECONDS)):
            return
        if self._patient.acquire(blocking=False):
            try:
                read.done.wait(self._left(read, PATIENCE_SECONDS))
            finally:
                self._patient.release()

    def _left(self, read: _Read, seconds: float) -> float:
        return max(read.begun_at + seconds - self._clock(), 0)

    def _read(self, read: _Read) -> None:
        """Read the keys in this thread. What was known before stays when it fails."""
        known, reason = None, "a defect"
        try:
            fetched = self._fetch(self._issuer)
            stated = BELIEVED_SECONDS if fetched.max_age is None else float(fetched.max_age)
            believed = min(max(stated, LEAST_SECONDS), MOST_SECONDS)
            known = _Known(read_key_set(fetched.raw), read.begun_at, believed)
        except (Unreachable, KeySetUnreadable) as error:
            reason = str(error)
        finally:
            with self._lock:
                self._known = known or self._known
                if known is not None and read.wanted is not None:
                    self._note_read_for(read.wanted, known)
                self._failed_at = self._clock() if known is None else None
                self._reading = None
            read.done.set()
        if known is None:
            _warn(self._issuer.name, reason)

    def _note_read_for(self, wanted: Wanted, known: _Known) -> None:
        """Remember that the read for an unknown key was in vain, and that the key is missing, if so."""
        now = self._clock()
        # As many as the limits of reads let in within these seconds.
        missing = {key: at for key, at in self._missing.items() if now - at < MISSING_SECONDS and key != wanted}
        in_vain = not known.keys.find(*wanted)
        self._vain_at = now if in_vain else None
        self._missing = missing | {wanted: now} if in_vain else missing


def _warn(place: object, reason: object) -> None:
    logger.warning("the keys of an issuer cannot be read", extra={"issuer": str(place), "reason": str(reason)})
