from collections.abc import Iterator

import pytest

from tests.operations.service import Service, eventually
from tests.service.live import back, kill_everything, make_service


@pytest.fixture(scope="package")
def installation(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Service]:
    """The service in a folder of its own; nothing of it is left afterwards."""
    found = make_service(tmp_path_factory.mktemp("service"))
    try:
        found.start()
        yield found
    finally:
        kill_everything(found)
    eventually(lambda: found.running() == [], "every process of the service has ended")


@pytest.fixture
def service(installation: Service) -> Service:
    """The running service, also after a test that left it dead."""
    back(installation)
    return installation
