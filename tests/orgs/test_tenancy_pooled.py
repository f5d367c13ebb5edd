"""Behind a transaction pooler: two organizations, two clients, one connection to the server."""

import json
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from django.db import connection

from orgs.models import Organization
from tests import factories
from tests.factories import Caller, submit_task
from tests.orgs.pooler import needs_pgbouncer, pooled
from tests.orgs.servers import CHECKOUT, service_environ

pytestmark = needs_pgbouncer


@pytest.fixture
def pooler(tmp_path: Path) -> Iterator[int]:
    with pooled(tmp_path) as port:
        yield port


def test_organizations_that_share_one_server_connection_see_only_their_own(
    organization: Organization, pooler: int
) -> None:
    other = factories.make_organization()
    arguments: list[str] = []
    for each in (organization, other):
        task = submit_task(Caller(factories.make_key(each).text))
        arguments += [str(each.id), task["id"]]

    done = subprocess.run(
        [sys.executable, "-m", "tests.orgs.pooled_client", *arguments],
        env=service_environ(port=pooler) | {"DB_PREPARE_STATEMENTS": "false"},
        cwd=CHECKOUT, stdout=subprocess.PIPE, text=True, check=True, timeout=60,
    )  # fmt: skip

    first, second = json.loads(done.stdout.splitlines()[-1])
    assert (first["organizations"], first["tasks"]) == ([arguments[0]], [arguments[1]])
    assert (second["organizations"], second["tasks"]) == ([arguments[2]], [arguments[3]])
    assert first["outside"] == second["outside"] == [[0, connection.settings_dict["USER"]]]
    assert first["servers"] == second["servers"]
    assert len(first["servers"]) == 1
