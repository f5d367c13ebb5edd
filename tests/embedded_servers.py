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
# Counted for real, and high: all tests come from one address, and some make thousands of calls with one key.
RATE_LIMITS = dict.fromkeys(
    ("RATE_LIMIT_KEY", "RATE_LIMIT_ORGANIZATION", "RATE_LIMIT_SIGN_IN", "RATE_LIMIT_SECRETS"), "1000000"
)


@pytest.hookimpl(tryfirst=True)
def pytest_load_initial_conftests() -> None:
    os.environ.update(RATE_LIMITS)
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
