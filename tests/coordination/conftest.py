import uuid
from collections.abc import Iterator
from pathlib import Path

import pytest

from coordination.connections import Connection
from coordination.shared import connection as shared
from tests.coordination.servers import ValkeyServer


@pytest.fixture
def tenant() -> uuid.UUID:
    """The id of an organization that nobody else has; most of coordination needs no more of one."""
    return uuid.uuid4()


@pytest.fixture
def valkey(tmp_path: Path) -> Iterator[ValkeyServer]:
    """A server of the test's own, running."""
    server = ValkeyServer(tmp_path / "valkey")
    server.start()
    yield server
    server.kill()


@pytest.fixture
def connection() -> Connection:
    """The service's connection to the server that all tests share."""
    return shared
