from collections.abc import Iterator

import pytest

from tests.operations.service import Service, eventually
from tests.service.live import kill_everything, make_service


@pytest.fixture(scope="module")
def service(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Service]:
    """The running service; nothing of it is left afterwards."""
    found = make_service(tmp_path_factory.mktemp("service"))
    try:
        found.start()
        yield found
    finally:
        kill_everything(found)
    eventually(lambda: found.running() == [], "every process of the service has ended")
