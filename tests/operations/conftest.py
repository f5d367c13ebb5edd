"""Installations in temporary folders; none of these tests needs Django's database."""

import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.operations.service import SITE_PACKAGES, Service
from tests.operations.stub_project import make_project

_NOBODY = 65534


@pytest.fixture
def service(tmp_path: Path) -> Iterator[Service]:
    """An installation that is not started yet; as root, in a folder that only root may enter."""
    found = Service(make_project(tmp_path))
    yield found
    found.kill_everything()


@pytest.fixture
def ordinary_service() -> Iterator[Service]:
    """The same for an account without any privilege."""
    if os.geteuid() != 0:
        pytest.skip("only root can become another account; the other tests run as an ordinary user then")
    folder = Path(tempfile.mkdtemp(prefix="holdfast-test-"))
    found = Service(make_project(folder), python=_python_of_nobody(), account=_NOBODY)
    shutil.chown(folder, _NOBODY)
    folder.chmod(0o755)
    yield found
    found.kill_everything()
    shutil.rmtree(folder)


def _python_of_nobody() -> str:
    """Answer an interpreter that an unprivileged account can run, for the packages installed here."""
    for python in (sys.executable, "/usr/bin/python3"):
        try:
            check = subprocess.run(
                [python, "-c", "import psycopg"], env={"PYTHONPATH": SITE_PACKAGES}, check=False,
                user=_NOBODY, group=_NOBODY, extra_groups=[], capture_output=True,
            )  # fmt: skip
        except OSError:
            continue
        if check.returncode == 0:
            return python
    pytest.skip("no interpreter and packages that an unprivileged account can reach")
