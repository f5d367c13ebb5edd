"""The installed SQL functions are the texts in */sql/."""

import re
from pathlib import Path

import pytest

from orgs import functions
from tests.statements import rows

CHECKOUT = Path(__file__).resolve().parents[2]
FUNCTION = re.compile(r"CREATE OR REPLACE FUNCTION (\w+)\s*\(.*?\bAS \$\$(.*?)\$\$", re.DOTALL)
INSTALLED = """
SELECT p.proname, p.prosrc, p.prosecdef FROM pg_proc p
WHERE p.pronamespace = current_schema()::regnamespace AND p.prolang IN
    (SELECT oid FROM pg_language WHERE lanname IN ('sql', 'plpgsql'))
"""


def written() -> dict[str, str]:
    found: dict[str, str] = {}
    for path in sorted(CHECKOUT.glob("*/sql/*.sql")):
        for name, body in FUNCTION.findall(path.read_text(encoding="utf-8")):
            assert name not in found, f"{name} is written twice"
            found[name] = body
    return found


def test_every_written_function_is_installed_as_it_is_written() -> None:
    installed = {name: body for name, body, _ in rows(INSTALLED)}

    assert installed == written()


def test_no_function_is_overloaded() -> None:
    """An old signature left behind would be called by whoever sends its parameters."""
    names = [name for name, _, _ in rows(INSTALLED)]

    assert len(names) == len(set(names))


def test_no_function_runs_with_the_rights_of_its_owner() -> None:
    """The owner of the tables is not held back in all that the serving roles are."""
    assert [name for name, _, definer in rows(INSTALLED) if definer] == []


def test_a_function_file_defines_the_function_of_its_name() -> None:
    files = {path.stem for path in CHECKOUT.glob("*/sql/*.sql")} - {"tasks_documents"}

    assert files <= set(written())


def test_an_error_that_nobody_registered_stays_a_database_error() -> None:
    with pytest.raises(Exception, match="division by zero"):
        functions.find("SELECT 1 / 0", [])


def test_a_function_that_must_return_a_row_and_does_not_is_a_defect() -> None:
    with pytest.raises(RuntimeError, match="returned no row"):
        functions.call("SELECT 1 WHERE false", [])
