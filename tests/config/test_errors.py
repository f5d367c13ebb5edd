"""The one table of errors is whole: every exception has its row, every code its one meaning and its line of docs."""

import importlib
import inspect
import pkgutil
import re
import subprocess
import sys
from collections.abc import Iterator

import pytest

from api.problems import Problem
from config.errors import BARE, TABLE, find_problem
from tests.orgs.servers import CHECKOUT, service_environ

APPS = ("accounts", "api", "audit", "coordination", "events", "orgs", "sessions_store", "tasks")
# Raised where no caller can see it, each with the reason why it needs no row.
NEVER_ANSWERED = {
    "accounts.stores.SettingsConflict": "programs that use the store see it",
    "accounts.stores.UnknownUser": "programs that use the store see it",
    "api.addresses.BadSetting": "it stops the start, or a program that uses a store",
    "api.executors.StoreUnavailable": "programs that use a store see it",
    "api.faithful.InvalidDocument": "programs that use a store see it",
    "api.valkey_addresses.BadAddress": "a bad setting: the service does not start",
    "api.waiting.Waiting": "the gate catches it: the call is tried again",
    "api.pools.PoolExhausted": "programs that use a store see StoreUnavailable",
    "accounts.oidc.fetching.Unreachable": "raised in a thread that reads an issuer's keys; callers get KeysUnavailable",
    "accounts.oidc.issuers.BadIssuers": "a bad setting: the service does not start",
    "accounts.oidc.keys.KeySetUnreadable": "raised where an issuer's keys are read; callers get KeysUnavailable",
    "coordination.cache.StillComputing": "programs that use the cache see it",
    "orgs.organization_erasers.HeldUp": "an organization's erasing goes on in the next round",
    "orgs.tenancy.TenancyError": "a defect of ours, a query outside of any scope: it is an internal error",
}
PROBLEMS: tuple[Problem, ...] = (*TABLE.values(), *BARE)
PAGE = CHECKOUT / "docs" / "reference" / "errors.md"


def _modules(app: str) -> Iterator[str]:
    package = importlib.import_module(app)
    yield app
    for found in pkgutil.walk_packages(package.__path__, f"{app}."):
        if ".migrations" not in found.name:
            yield found.name


def _defined() -> list[type[Exception]]:
    """Return every exception that a module of ours defines, but the DoesNotExist of models, which Django makes."""
    modules = [importlib.import_module(name) for app in APPS for name in _modules(app)]
    return [
        kind
        for module in modules
        for _, kind in inspect.getmembers(module, inspect.isclass)
        if issubclass(kind, Exception) and kind.__module__ == module.__name__
    ]


def _name(kind: type[Exception]) -> str:
    return f"{kind.__module__}.{kind.__qualname__}"


DEFINED = _defined()


def _code(problem: Problem) -> str:
    return problem.code


BY_CODE: list[Problem] = sorted(set(PROBLEMS), key=_code)
over_problems = pytest.mark.parametrize("problem", BY_CODE, ids=_code)


def test_exceptions_of_ours_are_found() -> None:
    found = {_name(kind) for kind in DEFINED}

    assert {"api.documents.InvalidJSON", "orgs.authentication.KeyExpired", "tasks.hot_paths.LeaseLost"} <= found


def test_every_exception_of_ours_has_a_row_or_a_reason_for_none() -> None:
    without = {_name(kind) for kind in DEFINED if not any(base in TABLE for base in kind.__mro__)}

    assert without == set(NEVER_ANSWERED)


@pytest.mark.parametrize("kind", [kind for kind in TABLE if kind in DEFINED], ids=_name)
def test_an_exception_is_answered_by_its_own_row(kind: type[Exception]) -> None:
    assert find_problem(kind.__new__(kind)) is TABLE[kind]


def test_an_exception_without_a_row_has_no_problem() -> None:
    assert find_problem(ZeroDivisionError()) is None


def test_a_code_has_one_meaning() -> None:
    meanings: dict[str, set[Problem]] = {}
    for problem in PROBLEMS:
        meanings.setdefault(problem.code, set()).add(problem)

    assert {code: found for code, found in meanings.items() if len(found) > 1} == {}


def test_two_codes_do_not_mean_the_same() -> None:
    titles = [problem.title for problem in set(PROBLEMS)]

    assert len(titles) == len(set(titles))


@pytest.mark.parametrize("kind", TABLE, ids=_name)
def test_an_exception_is_the_callers_fault_or_passing(kind: type[Exception]) -> None:
    status = TABLE[kind].status

    assert 400 <= status < 500 or status == 503


@over_problems
def test_a_code_is_lower_case_words_with_hyphens(problem: Problem) -> None:
    assert re.fullmatch(r"[a-z]+(-[a-z]+)*", problem.code)


@over_problems
def test_the_reference_names_every_code_with_its_status(problem: Problem) -> None:
    assert f"| {problem.status} | `{problem.code}` | {problem.title} |" in PAGE.read_text(encoding="utf-8").splitlines()


def test_the_reference_names_no_code_that_is_gone() -> None:
    named = set(re.findall(r"^\| \d+ \| `([a-z-]+)` \|", PAGE.read_text(encoding="utf-8"), re.MULTILINE))

    assert named == {problem.code for problem in PROBLEMS}


def test_the_reference_is_what_the_code_says() -> None:
    done = subprocess.run(
        [sys.executable, "-m", "config.reference", "--check"],
        env=service_environ(), cwd=CHECKOUT, capture_output=True, text=True, check=False, timeout=60,
    )  # fmt: skip

    assert (done.returncode, done.stderr) == (0, "")
