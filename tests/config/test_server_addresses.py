"""Where PostgreSQL is: as one URL, also one written for another driver, or in parts."""

from pathlib import Path
from typing import Any

import pytest

from config.environment import BadSetting, Environment

PARTS = {"HOST": "db", "PORT": 5432, "NAME": "app", "USER": "me", "PASSWORD": "", "OPTIONS": {}}


def _database(url: str) -> dict[str, Any]:
    return Environment({"DATABASE_URL": url}).database()


@pytest.mark.parametrize(
    "scheme", ["postgres", "postgresql", "postgresql+asyncpg", "postgresql+psycopg", "postgresql+psycopg2", "POSTGRES"]
)
def test_a_url_written_for_any_driver_names_the_same_database(scheme: str) -> None:
    assert _database(f"{scheme}://me@db/app") == PARTS


def test_every_part_of_a_url_is_read() -> None:
    assert _database("postgresql://me:pw@db.example:6543/app/") == PARTS | {
        "HOST": "db.example",
        "PORT": 6543,
        "PASSWORD": "pw",
    }


def test_parts_of_a_url_may_be_percent_encoded() -> None:
    found = _database("postgresql://m%40e:p%2Fw%3A%40%23%3F%25%20%C3%A9+@db/my%20app")

    assert (found["USER"], found["PASSWORD"], found["NAME"]) == ("m@e", "p/w:@#?% \u00e9+", "my app")


@pytest.mark.parametrize(
    ("written", "host"),
    [
        ("[::1]", "::1"),
        ("[FE80::1%25eth0]:5432", "FE80::1%eth0"),
        ("%2Fvar%2FRun%2Fpg", "/var/Run/pg"),
        ("%2fvar%2fRun:5432", "/var/Run"),
        ("", ""),
        ("DB.Example:5432", "DB.Example"),
    ],
)
def test_a_host_is_kept_as_it_was_written(written: str, host: str) -> None:
    assert _database(f"postgresql://me@{written}/app")["HOST"] == host


@pytest.mark.parametrize(
    ("query", "options"),
    [
        ("ssl=require", {"sslmode": "require"}),
        ("ssl=true", {"sslmode": "require"}),
        ("ssl=False", {"sslmode": "disable"}),
        ("sslmode=verify-full&sslrootcert=%2Fca.pem", {"sslmode": "verify-full", "sslrootcert": "/ca.pem"}),
        ("timeout=5", {"connect_timeout": "5"}),
        ("application_name=a%20b", {"application_name": "a b"}),
    ],
)
def test_parameters_of_other_drivers_become_those_of_libpq(query: str, options: dict[str, str]) -> None:
    assert _database(f"postgresql+asyncpg://me@db/app?{query}") == PARTS | {"OPTIONS": options}


@pytest.mark.parametrize(
    "name", ["prepared_statement_cache_size", "statement_cache_size", "command_timeout", "async_fallback"]
)
def test_a_parameter_that_only_another_driver_understands_is_left_out(name: str) -> None:
    assert _database(f"postgresql+asyncpg://me@db/app?{name}=0&ssl=require") == PARTS | {
        "OPTIONS": {"sslmode": "require"}
    }


@pytest.mark.parametrize(
    "hosts", ["h1:5432,h2:5432", "h1,h2", "h1,h2:5432", "[::1],[::2]", "me:p,w@h1:5432,h2", "me@h1,h2"]
)
def test_several_hosts_are_refused_as_such(hosts: str) -> None:
    with pytest.raises(BadSetting, match=r"^DATABASE_URL names several hosts, which is not supported: name one, or "):
        _database(f"postgresql://{hosts}/app")


def test_a_comma_in_a_password_is_no_second_host() -> None:
    assert _database("postgresql://me:p,w@db/app") == PARTS | {"PASSWORD": "p,w"}


@pytest.mark.parametrize("name", ["sslmod", "host", "SSL"])
def test_an_unknown_parameter_is_refused_by_its_name(name: str) -> None:
    with pytest.raises(BadSetting, match=rf"^DATABASE_URL has the unknown parameter '{name}'\.$"):
        _database(f"postgresql://me@db/app?{name}=x")


@pytest.mark.parametrize("query", ["ssl=maybe", "sslmode=", "sslmode=REQUIRE"])
def test_an_unknown_sslmode_is_refused(query: str) -> None:
    with pytest.raises(BadSetting, match=r"^DATABASE_URL asks for the unknown sslmode '.*'\.$"):
        _database(f"postgresql://me@db/app?{query}")


@pytest.mark.parametrize("url", ["mysql://me@db/app", "sqlite:///app.db", "db/app", "//db/app", "postgresqls://db/app"])
def test_another_kind_of_database_is_refused(url: str) -> None:
    with pytest.raises(BadSetting, match=r"^DATABASE_URL must begin with postgresql://"):
        _database(url)


@pytest.mark.parametrize("url", ["postgresql://me@db", "postgresql://me@db/", "postgresql://me@db?ssl=true"])
def test_a_url_that_names_no_database_is_refused(url: str) -> None:
    with pytest.raises(BadSetting, match=r"^DATABASE_URL names no database"):
        _database(url)


@pytest.mark.parametrize(
    "password", ["hunter/2", "hunter#2", "hunter?2", "[hunter", "12/hunter", "/hunter", "1,2/hunter"]
)
def test_a_password_that_is_not_encoded_is_refused_without_repeating_it(password: str) -> None:
    with pytest.raises(BadSetting, match=r"^DATABASE_URL is not a URL; are special characters") as refusal:
        _database(f"postgresql://me:{password}@db/app")

    assert "hunter" not in str(refusal.value)


@pytest.mark.parametrize("port", ["x", "70000", "-1"])
def test_a_port_that_is_none_is_refused(port: str) -> None:
    with pytest.raises(BadSetting, match=r"^DATABASE_URL is not a URL"):
        _database(f"postgresql://me@db:{port}/app")


def test_the_url_of_the_database_may_stand_in_a_file(tmp_path: Path) -> None:
    place = tmp_path / "url"
    place.write_text("postgresql://me@db/app\n", encoding="utf-8")

    assert Environment({"DATABASE_URL_FILE": str(place)}).database() == PARTS


def test_a_database_may_be_given_in_parts() -> None:
    source = {"DB_HOST": "db", "DB_PORT": "6543", "DB_NAME": "app", "DB_USER": "me", "DB_PASS": "p/w%20"}

    assert Environment(source).database() == PARTS | {"PORT": 6543, "PASSWORD": "p/w%20"}


@pytest.mark.parametrize("name", ["DB_HOST", "DB_NAME", "DB_USER"])
def test_one_part_of_a_database_is_enough(name: str) -> None:
    expected = {"DB_HOST": "localhost", "DB_NAME": "holdfast", "DB_USER": "holdfast"} | {name: "given"}

    found = Environment({name: "given"}).database()

    assert (found["HOST"], found["NAME"], found["USER"]) == tuple(expected.values())


def test_the_password_of_a_database_may_stand_in_a_file(tmp_path: Path) -> None:
    place = tmp_path / "password"
    place.write_text("from a file\n", encoding="utf-8")

    assert Environment({"DB_HOST": "db", "DB_PASS_FILE": str(place)}).database()["PASSWORD"] == "from a file"


@pytest.mark.parametrize("name", ["DB_HOST", "DB_PORT", "DB_NAME", "DB_USER", "DB_PASS"])
def test_a_url_and_a_part_of_a_database_together_are_refused(name: str) -> None:
    with pytest.raises(BadSetting, match=rf"^DATABASE_URL and {name} are both set; keep one form\.$"):
        Environment({"DATABASE_URL": "postgresql://me@db/app", name: "5432"}).database()


@pytest.mark.parametrize("source", [{}, {"DATABASE_URL": ""}, {"DB_HOST": "", "DB_PASS": ""}])
def test_no_database_at_all_is_refused(source: dict[str, str]) -> None:
    with pytest.raises(BadSetting, match=r"^Neither DATABASE_URL nor DB_HOST, DB_NAME or DB_USER is set\.$"):
        Environment(source).database()


@pytest.mark.parametrize("name", ["DB_PORT", "DB_PASS"])
def test_a_part_that_names_no_database_is_refused_by_its_name(name: str) -> None:
    with pytest.raises(
        BadSetting, match=rf"^{name} needs DB_HOST, DB_NAME or DB_USER beside it, or DATABASE_URL instead\.$"
    ):
        Environment({name: "5432"}).database()


@pytest.mark.parametrize("port", ["0", "65536"])
def test_a_port_of_a_database_out_of_bounds_is_refused(port: str) -> None:
    with pytest.raises(BadSetting, match=r"^DB_PORT is .*; it must be between 1 and 65535\.$"):
        Environment({"DB_HOST": "db", "DB_PORT": port}).database()
