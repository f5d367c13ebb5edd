"""deleteorganizations, and the job that does the same every minute."""

import io
import time

import pytest
from django.core.management import call_command
from django.utils import timezone

from config.celery import app
from orgs import tenancy
from orgs.jobs import delete_organizations
from orgs.models import Organization, OrganizationErasure
from orgs.services import organization_erasing
from tests.orgs.organization_erasing import close, erase_row, erasure_of, request_deletion


def run() -> str:
    written = io.StringIO()
    call_command("deleteorganizations", stdout=written)
    return written.getvalue()


def run_until_over(organization: Organization) -> str:
    """Run it until nothing is left: transactions of others, such as the server's own, may take a moment to end."""
    ends = time.monotonic() + 20
    while True:
        said = run()
        if erasure_of(organization.id) is None:
            return said
        assert time.monotonic() < ends, "the erasing does not end"


def test_the_command_says_where_each_deletion_stands(organization: Organization) -> None:
    close(organization)

    said = run()

    assert f"{organization.id}: 0 rows erased; closed since " in said


def test_the_command_says_which_has_ended(organization: Organization, caplog: pytest.LogCaptureFixture) -> None:
    close(organization)
    erase_row(organization)
    with tenancy.system():
        rows = OrganizationErasure.objects.filter(id=organization.id)
        rows.update(row_gone_at=timezone.now() - organization_erasing.SETTLING)

    with caplog.at_level("INFO", "holdfast.deletion"):
        said = run_until_over(organization)

    assert f"{organization.id}: erased." in said.splitlines()
    assert "No organization is being deleted." not in said
    assert f"The organization {organization.id} is erased." in caplog.messages


def test_the_command_leaves_what_is_not_due(organization: Organization) -> None:
    request_deletion(organization)

    said = run()

    assert str(organization.id) not in said
    assert erasure_of(organization.id) is None


def test_the_job_counts_what_is_not_over_yet(organization: Organization) -> None:
    close(organization)

    assert delete_organizations() >= 1


def test_beat_wakes_the_job() -> None:
    app.loader.import_default_modules()

    assert {entry["task"] for entry in app.conf.beat_schedule.values()} <= set(app.tasks)
