"""A PgBouncer that pools transactions, before the database that the tests run on."""

import os
import shutil
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from django.db import connection

from tests.orgs.servers import free_port, listens

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

needs_pgbouncer = pytest.mark.skipif(PGBOUNCER is None, reason="pgbouncer is not installed")


@contextmanager
def pooled(tmp_path: Path) -> Iterator[int]:
    """Run one with a single connection to the test database; yield the port it listens on."""
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
