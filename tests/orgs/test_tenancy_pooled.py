"""Behind a transaction pooler: two organizations, two clients, one connection to the server."""

import json
import os
import shutil
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from django.db import connection

from orgs.models import Organization
from tests import factories
from tests.factories import Caller, submit_task
from tests.orgs.servers import CHECKOUT, free_port, listens, service_environ

PGBOUNCER = shutil.which("pgbouncer") or shutil.which("pgbouncer", path="/usr/sbin:/usr/local/sbin")
CONFIGURATION = """
[databases]
{NAME} = host={HOST} port={PORT} dbname={NAME} user={USER} password={PASSWORD}
[pgbouncer]
listen_addr = 127.0.0.1
listen_port = {listen}
unix_socket_dir =
auth_type = any
pool_mode = transaction
default_pool_size = 1
max_db_connections = 1
"""

pytestmark = pytest.mark.skipif(PGBOUNCER is None, reason="pgbouncer is not installed")


@pytest.fixture
def pooler(tmp_path: Path) -> Iterator[int]:
    """A PgBouncer with one connection to the test database; gives the port it listens on."""
    port = free_port()
    configuration = tmp_path / "pgbouncer.ini"
    configuration.write_text(CONFIGURATION.format(listen=port, **connection.settings_dict))
    configuration.chmod(0o600)
    # It refuses to run as root.
    become = ["-u", "nobody"] if os.geteuid() == 0 else []
    with subprocess.Popen([str(PGBOUNCER), "-q", *become, str(configuration)]) as process:
        try:
            wait_until_it_listens(port, process)
            yield port
        finally:
            process.terminate()


def wait_until_it_listens(port: int, process: subprocess.Popen[bytes]) -> None:
    ends = time.monotonic() + 10
    while not listens(port):
        assert process.poll() is None, "pgbouncer ended"
        assert time.monotonic() < ends, "pgbouncer does not listen"
        time.sleep(0.02)


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
