"""A place that keys are read from, and a clock, as a test sets them."""

import json
from dataclasses import dataclass, field
from threading import Event, Semaphore

from jwcrypto import jwk

from accounts.oidc.fetching import Fetched, Unreachable
from accounts.oidc.issuers import Issuer
from accounts.oidc.key_sets import RemoteKeys
from tests.accounts.oidc.local_issuer import AUDIENCE, make_key

# How many may wait for a slow issuer.
PATIENT = 2
ISSUER = Issuer("https://id.example", frozenset([AUDIENCE]))


def document(*keys: jwk.JWK) -> bytes:
    return json.dumps({"keys": [json.loads(key.export_public()) for key in keys]}).encode()


@dataclass
class Place:
    """Where keys are read from, and a clock: both as a test sets them."""

    published: list[jwk.JWK] = field(default_factory=lambda: [make_key("one")])
    max_age: int | None = None
    now: float = 1000.0
    reads: int = 0
    down: bool = False
    # Waited for by each read, and set once one waits.
    let_go: Event = field(default_factory=Event)
    begun: Event = field(default_factory=Event)

    def __post_init__(self) -> None:
        self.let_go.set()
        self.patient = Semaphore(PATIENT)
        self.keys = RemoteKeys(ISSUER, self.patient, fetch=self._fetch, clock=lambda: self.now)

    def _fetch(self, issuer: Issuer) -> Fetched:
        self.reads += 1
        published = document(*self.published)
        self.begun.set()
        assert self.let_go.wait(30)
        if self.down:
            raise Unreachable("it is down")
        return Fetched(published, self.max_age)

    def has(self, key_id: str) -> bool:
        return bool(self.keys.find("ES256", key_id))

    def settle(self) -> None:
        """Wait until a read in the background is done."""
        if reading := self.keys._reading:
            assert reading.done.wait(30)
