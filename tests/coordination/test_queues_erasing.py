"""An organization's queues go with it."""

from pytest_django import Settings

from coordination import keys
from coordination.queues import Queues
from coordination.shared import connection
from orgs.models import Organization
from orgs.services.organization_erasing import delete_due
from tests import factories
from tests.coordination.servers import free_port
from tests.orgs import organization_erasing
from tests.orgs.test_organization_erasing import erased_rows


def test_nothing_is_left_of_the_queues_of_an_organization_that_is_erased(organization: Organization) -> None:
    neighbour = factories.make_organization()
    for each in (organization, neighbour):
        Queues(connection, each.id).push("mail", "hello")
        Queues(connection, each.id).push("later", "hello", delay_seconds=60)

    organization_erasing.erase(organization)

    client = connection.client()
    assert list(client.scan_iter(match=f"{keys.prefix(organization.id)}queue*", count=1000)) == []
    assert erased_rows(organization.id)["queues"] == 2
    assert Queues(connection, neighbour.id).names() == ["later", "mail"]


def test_without_valkey_the_erasing_is_held_up_and_goes_on_after(
    organization: Organization, settings: Settings
) -> None:
    Queues(connection, organization.id).push("mail", "hello")
    organization_erasing.close(organization)
    organization_erasing.erase_row(organization)
    there = settings.CACHES
    gone = {**there["default"], "LOCATION": f"redis://127.0.0.1:{free_port()}/0"}

    settings.CACHES = {"default": gone}
    rounds = [delete_due(now=organization_erasing.GONE) for _ in range(5)]
    settings.CACHES = there
    organization_erasing.finish(organization)

    assert all(organization.id in {one.id for one in found.waiting} for found in rounds)
    assert Queues(connection, organization.id).names() == []
