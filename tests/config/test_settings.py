"""Settings as a process loads them: complete, or refused with a sentence that names the variable."""

import json
import os
import subprocess
import sys
from typing import Any

import pytest

from tests.orgs.servers import CHECKOUT

COMPLETE = {
    "SECRET_KEY": "kT7-zQ9_wB3.xN5~vH1+rJ8*mD4!cF6^",
    "DATABASE_URL": "postgresql+asyncpg://me:pw@db.example/app?ssl=require",
    "REDIS_URL": "valkey://cache.example:6379/0",
}
SHOWN = (
    "SIGNUP", "SESSION_COOKIE_SECURE", "CSRF_COOKIE_SECURE", "DEBUG", "SECRET_KEY_FALLBACKS", "REDIS_URL", "DATABASES",
)  # fmt: skip
SHOW = f"""
import json
from config import settings
print(json.dumps({{name: getattr(settings, name) for name in {SHOWN!r}}}))
"""


def _load(**environ: str) -> "subprocess.CompletedProcess[str]":
    """Load the settings in a process that knows these variables only; an empty one is not set."""
    given = {"PATH": os.environ["PATH"], "PYTHONPATH": str(CHECKOUT)} | environ
    return subprocess.run(
        [sys.executable, "-W", "error", "-c", SHOW],
        env=given, cwd=CHECKOUT, capture_output=True, text=True, check=False, timeout=60,
    )  # fmt: skip


def _loaded(**environ: str) -> dict[str, Any]:
    done = _load(**COMPLETE | environ)
    assert done.returncode == 0, done.stderr
    found: dict[str, Any] = json.loads(done.stdout)
    return found


def _refusal(**environ: str) -> str:
    """Return the last line that the process writes, which must be the refusal's."""
    done = _load(**COMPLETE | environ)
    assert done.returncode == 1
    return done.stderr.splitlines()[-1].removeprefix("api.addresses.BadSetting: ")


def test_complete_settings_load() -> None:
    found = _loaded()

    database = found["DATABASES"]["default"]
    assert (database["HOST"], database["NAME"], database["OPTIONS"]["sslmode"]) == ("db.example", "app", "require")
    assert found["REDIS_URL"] == "redis://cache.example:6379/0"


def test_debug_cannot_be_turned_on_from_the_environment() -> None:
    assert _loaded(DEBUG="true", DJANGO_DEBUG="true")["DEBUG"] is False


@pytest.mark.parametrize("embedded", ["", "1"])
def test_no_secret_key_stops_the_start(embedded: str) -> None:
    refusal = _refusal(SECRET_KEY="", HOLDFAST_EMBEDDED=embedded)

    assert refusal == "SECRET_KEY is not set. Give it at least 32 random characters, or SECRET_KEY_FILE."


@pytest.mark.parametrize(
    ("value", "sentence"),
    [
        ("django-insecure-kT7zQ9wB3xN5vH1rJ8mD4cF6", "SECRET_KEY is a placeholder."),
        ("changeme-kT7zQ9wB3xN5vH1rJ8mD4cF6", "SECRET_KEY is a placeholder."),
        ("short", "SECRET_KEY has 5 characters"),
        ("a" * 50, "SECRET_KEY repeats too few characters"),
    ],
)
def test_a_weak_secret_key_stops_the_start(value: str, sentence: str) -> None:
    assert _refusal(SECRET_KEY=value).startswith(sentence)


def test_a_weak_older_secret_key_stops_the_start() -> None:
    assert _refusal(SECRET_KEY_FALLBACKS="short").startswith("SECRET_KEY_FALLBACKS has 5 characters")


def test_no_database_stops_the_start() -> None:
    assert _refusal(DATABASE_URL="") == "Neither DATABASE_URL nor DB_HOST, DB_NAME or DB_USER is set."


def test_no_valkey_stops_the_start() -> None:
    assert _refusal(REDIS_URL="") == "Neither REDIS_URL nor REDIS_HOST is set."


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("HOLDFAST_EMBEDDED", "perhaps"),
        ("SIGNUP", "ajar"),
        ("IDEMPOTENCY_HOURS", "0"),
        ("LOG_LEVEL", "LOUD"),
        ("TRUSTED_PROXIES", "-1"),
        ("BEHIND_TLS", "2"),
        ("DB_PREPARE_STATEMENTS", "perhaps"),
        ("DB_STATEMENT_TIMEOUT", "-1"),
        ("WEB_THREADS", "x"),
        ("PASSWORD_MIN_LENGTH", "7"),
        ("SIGN_IN_FAILURES", "0"),
        ("SIGN_IN_ADDRESS_FAILURES", "many"),
        ("SIGN_IN_ACCOUNT_FAILURES", "0"),
        ("SIGN_IN_LOCK_MINUTES", "0"),
        ("CONSOLE_TOTP", "perhaps"),
        ("CONSOLE_SESSION_HOURS", "0"),
        ("CONSOLE_IDLE_MINUTES", "4"),
        ("ALLOWED_HOSTS", ","),
    ],
)
def test_a_bad_value_stops_the_start(name: str, value: str) -> None:
    assert _refusal(**{name: value}).startswith(f"{name} is ")


def test_a_trusted_origin_without_a_scheme_stops_the_start() -> None:
    assert _refusal(CSRF_TRUSTED_ORIGINS="example.com").startswith("CSRF_TRUSTED_ORIGINS has 'example.com'; ")


def test_sign_up_is_closed_outside_of_the_embedded_default() -> None:
    assert _loaded()["SIGNUP"] == "closed"


def test_sign_up_is_open_in_the_embedded_default() -> None:
    assert _loaded(HOLDFAST_EMBEDDED="1")["SIGNUP"] == "open"


@pytest.mark.parametrize(("embedded", "said"), [("0", "open"), ("1", "closed")])
def test_sign_up_is_what_the_operator_says(embedded: str, said: str) -> None:
    assert _loaded(HOLDFAST_EMBEDDED=embedded, SIGNUP=said)["SIGNUP"] == said


@pytest.mark.parametrize(("behind_tls", "secure"), [("true", True), ("false", False), ("", False)])
def test_cookies_are_secure_behind_tls(behind_tls: str, secure: bool) -> None:
    found = _loaded(BEHIND_TLS=behind_tls)

    assert (found["SESSION_COOKIE_SECURE"], found["CSRF_COOKIE_SECURE"]) == (secure, secure)
