"""deleteorganizations, and the job that does the same every minute."""

import io

from django.core.management import call_command

from config.celery import app
from orgs.jobs import delete_organizations
from orgs.models import Organization
from tests.orgs.erasing import close, erasure_of, request_deletion


def run() -> str:
    written = io.StringIO()
    call_command("deleteorganizations", stdout=written)
    return written.getvalue()


def test_the_command_says_where_each_deletion_stands(organization: Organization) -> None:
    close(organization)

    said = run()

    assert f"{organization.id}: 0 rows erased; closed since " in said


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
