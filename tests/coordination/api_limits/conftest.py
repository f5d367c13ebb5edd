import pytest
import redis
from redis.backoff import NoBackoff
from redis.retry import Retry

from coordination.api_limits import counting
from coordination.api_limits.limiter import Limiter
from coordination.connections import Connection
from coordination.shared import QUICK_SECONDS
from tests.coordination.servers import ValkeyServer
from tests.orgs.conftest import browser, operator, quick_passwords

__all__ = ["browser", "operator", "quick_passwords"]


def connected(server: ValkeyServer) -> Connection:
    """Return a connection to a server of the test's own, as the service makes its quick one."""
    client = redis.Redis.from_url(
        server.url,
        socket_timeout=QUICK_SECONDS,
        socket_connect_timeout=QUICK_SECONDS,
        protocol=2,
        retry=Retry(NoBackoff(), 0),
    )
    return Connection(lambda: client)


@pytest.fixture
def own_valkey(valkey: ValkeyServer, monkeypatch: pytest.MonkeyPatch) -> ValkeyServer:
    """A server of the test's own, on which this process counts its calls."""
    monkeypatch.setattr(counting, "callers", Limiter(connected(valkey)))
    monkeypatch.setattr(counting, "addresses", Limiter(connected(valkey)))
    return valkey
