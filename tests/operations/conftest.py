"""Installations in temporary folders; none of these tests needs Django's database."""

import os
import shutil
import subprocess
import sys
import sysconfig
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.operations.service import SITE_PACKAGES, Service
from tests.operations.stub_project import CHECKOUT, make_project

_NOBODY = 65534


@pytest.fixture
def service(tmp_path: Path) -> Iterator[Service]:
    """An installation that is not started yet; as root, in a folder that only root may enter."""
    found = Service(make_project(tmp_path))
    yield found
    found.kill_everything()


@pytest.fixture
def whole_service(tmp_path: Path) -> Iterator[Service]:
    """The service of this checkout, with a folder of its own."""
    (tmp_path / "manage.py").symlink_to(CHECKOUT / "manage.py")
    found = Service(tmp_path, extra={"VAR": str(tmp_path / "var")})
    yield found
    found.kill_everything()


@pytest.fixture(scope="module")
def running(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Service]:
    """An installation that runs, for tests that leave it as it is."""
    found = Service(make_project(tmp_path_factory.mktemp("running")))
    try:
        found.start()
        yield found
    finally:
        found.kill_everything()


@pytest.fixture
def ordinary_service(ordinary_python: str) -> Iterator[Service]:
    """An installation of an account without any privilege."""
    folder = Path(tempfile.mkdtemp(prefix="holdfast-test-"))
    found = Service(make_project(folder), python=ordinary_python, account=_NOBODY, extra=_beside(ordinary_python))
    shutil.chown(folder, _NOBODY)
    yield found
    found.kill_everything()
    shutil.rmtree(folder)


@pytest.fixture(scope="session")
def ordinary_python() -> Iterator[str]:
    """An interpreter that an unprivileged account can run: this one, or a copy where it is in root's home."""
    if os.geteuid() != 0:
        pytest.skip("only root can become another account; the other tests run as an ordinary user then")
    with tempfile.TemporaryDirectory(prefix="holdfast-python-") as folder:
        python = sys.executable if _runs(sys.executable) else _copy_of_python(Path(folder))
        if not _runs(python):
            pytest.skip("the packages are in a folder that only root may enter")
        yield python


def _runs(python: str) -> bool:
    try:
        check = subprocess.run(
            [python, "-c", "import psycopg, redis"], env={"PYTHONPATH": SITE_PACKAGES, **_beside(python)},
            user=_NOBODY, group=_NOBODY, extra_groups=[], capture_output=True, check=False,
        )  # fmt: skip
    except OSError:
        return False
    return check.returncode == 0


def _beside(python: str) -> dict[str, str]:
    """Have a copied interpreter find its own library rather than the system's."""
    return {"LD_LIBRARY_PATH": str(Path(python).parents[1] / "lib")}


def _copy_of_python(folder: Path) -> str:
    folder.chmod(0o755)
    source = Path(sys.base_prefix)
    library = Path(sysconfig.get_path("stdlib")).relative_to(source)
    shutil.copytree(
        source / library, folder / library, ignore=shutil.ignore_patterns("site-packages", "test", "config-*")
    )
    for shared in source.glob("lib/libpython*"):
        shutil.copy(shared, folder / "lib" / shared.name)
    (folder / "bin").mkdir()
    return str(shutil.copy(Path(sys.executable).resolve(), folder / "bin/python3"))
