import pytest

from orgs.models import Organization
from tests.api.scene import Scene, make_scene


@pytest.fixture
def scene(organization: Organization) -> Scene:
    return make_scene(organization)
