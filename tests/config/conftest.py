from collections.abc import Iterator

import pytest

from tests.api.live import Server, serving


@pytest.fixture(scope="module")
def front(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    with serving("front", tmp_path_factory.mktemp("front")) as found:
        yield found
