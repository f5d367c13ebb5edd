"""The page of settings, written from the source: for operators, who read no Python."""

import pytest

from config import reference

ROWS = {row.split("`")[1]: row.split("|")[2].strip() for row in reference.settings_page().splitlines() if "| `" in row}


@pytest.mark.parametrize(
    ("name", "default"),
    [
        ("ALLOWED_HOSTS", "localhost,127.0.0.1,[::1]"),
        ("BEHIND_TLS", "false"),
        ("CSRF_TRUSTED_ORIGINS", ""),
        ("DB_STATEMENT_TIMEOUT", "30"),
        ("LOG_LEVEL", "INFO"),
        ("SIGNUP", "open with the embedded PostgreSQL, else closed"),
        ("WEB_THREADS", "8"),
    ],
)
def test_a_default_is_written_as_one_would_set_it(name: str, default: str) -> None:
    assert ROWS[name] == default


def test_what_only_the_service_sets_is_left_out() -> None:
    assert "HOLDFAST_EMBEDDED" not in reference.settings_page()
