"""pytest plugin: PostgreSQL and Valkey for the tests, started before Django reads its settings.

Nothing is started when the environment names servers, nor in the worker processes of pytest-xdist, which inherit it.
"""

import os
import shutil
import tempfile
from contextlib import ExitStack
from pathlib import Path

import pytest

from operations import embedded

_stack = ExitStack()


@pytest.hookimpl(tryfirst=True)
def pytest_load_initial_conftests() -> None:
    postgres, valkey = embedded.embedded_needed(os.environ)
    if not (postgres or valkey):
        return
    folder = Path(tempfile.mkdtemp(prefix="holdfast-tests-"))
    _stack.callback(shutil.rmtree, folder, ignore_errors=True)
    found = _stack.enter_context(embedded.servers(folder / "var", postgres=postgres, valkey=valkey, tethered=True))
    # Where tests find what only the owner of the servers knows, and where manage.py finds the same servers.
    os.environ["VAR"] = str(folder / "var")
    for name, value in found.items():
        os.environ.setdefault(name, value)


def pytest_unconfigure() -> None:
    _stack.close()
