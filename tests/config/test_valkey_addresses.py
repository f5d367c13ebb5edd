"""Where Valkey or Redis is: in each form of REDIS_URL, or in parts."""

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from api.valkey_addresses import ValkeyAddress, parse_valkey_url
from config.environment import BadSetting, Environment

TEXT = st.text(st.characters(exclude_categories=["Cs"]), max_size=20)
SENTINELS = (("a", 26379), ("b.example", 26380), ("::1", 26379))


def _redis(**source: str) -> str:
    return Environment(source).valkey().url


def _refusal(url: str) -> str:
    with pytest.raises(BadSetting, match=r"^REDIS_URL ") as refusal:
        _redis(REDIS_URL=url)
    return str(refusal.value).removeprefix("REDIS_URL ")


@pytest.mark.parametrize(
    ("written", "read"),
    [
        ("redis://:p%40w@cache:6380/2", "redis://:p%40w@cache:6380/2"),
        ("redis://me:p@w@CACHE?db=2", "redis://me:p%40w@cache:6379/2"),
        ("redis://[::1]:6380", "redis://[::1]:6380/0"),
        ("rediss://cache/0?ssl_cert_reqs=CERT_NONE", "rediss://cache:6379/0?ssl_cert_reqs=none"),
        ("rediss://cache?ssl_check_hostname=False", "rediss://cache:6379/0?ssl_check_hostname=false"),
        ("valkey://cache:6379/0", "redis://cache:6379/0"),
        ("valkeys://valkey:valkey@valkey/0", "rediss://valkey:valkey@valkey:6379/0"),
        ("unix:///run/valkey.sock", "unix:///run/valkey.sock?db=0"),
        ("unix://:pw@/run/a%20b?db=3", "unix://:pw@/run/a%20b?db=3"),
        ("redis+sentinel://a/main", "redis+sentinel://a:26379/main/0"),
        ("rediss+sentinel://:pw@a:1,[::1]/main/2", "rediss+sentinel://:pw@a:1,[::1]:26379/main/2"),
        ("valkey+sentinel://a/main?sentinel_password=x", "redis+sentinel://a:26379/main/0?sentinel_password=x"),
    ],
)
def test_each_form_is_read_and_written_in_one_form(written: str, read: str) -> None:
    assert _redis(REDIS_URL=written) == read


def test_every_part_of_a_url_of_sentinels_is_read() -> None:
    url = "redis+sentinel://me:p%2Fw@a,b.example:26380,[::1]/main/2?sentinel_username=s&sentinel_password=q%26r"

    assert parse_valkey_url(url) == ValkeyAddress(
        SENTINELS, service="main", database=2, username="me", password="p/w",
        sentinel_username="s", sentinel_password="q&r",
    )  # fmt: skip


@given(username=TEXT, password=TEXT, sentinel_password=TEXT)
def test_whatever_a_password_holds_it_survives_being_written(
    username: str, password: str, sentinel_password: str
) -> None:
    address = ValkeyAddress(
        SENTINELS, service="main", username=username, password=password, sentinel_password=sentinel_password
    )

    assert parse_valkey_url(address.url) == address


def test_no_password_shows_where_an_address_is_printed() -> None:
    address = parse_valkey_url("redis+sentinel://:hunter2@a/main?sentinel_password=hunter3")

    assert "hunter" not in repr(address)


@pytest.mark.parametrize("url", ["http://cache", "memcached://cache", "cache:6379", "localhost", "sentinel://a/main"])
def test_a_url_of_another_kind_is_refused(url: str) -> None:
    expected = "must begin with redis://, rediss://, unix://, redis+sentinel:// or rediss+sentinel://."

    assert _refusal(url) == expected


@pytest.mark.parametrize(
    ("url", "refusal"),
    [
        ("redis+cluster://a", "asks for cluster mode, which is not supported: name one server, or its Sentinels."),
        ("redis://", "names no host: redis://:password@host:6379/0."),
        ("redis://a,b/0", "names several hosts: that is for Sentinels, redis+sentinel://host,host/service."),
        ("redis://pw@a", "names a user without a password: a password alone is written redis://:password@host."),
        ("redis://a/x", "must end with the number of the database, as in redis://host:6379/0."),
        ("redis://a/1?db=1", "names the database twice."),
        ("redis://a?db=1&db=1", "has a parameter twice."),
        ("redis://a?db=", "has the parameter 'db' without a value."),
        ("redis://a?protocol=3", "has the parameter 'protocol', which is not known."),
        ("redis://a?ssl_ca_certs=/x", "has the parameter 'ssl_ca_certs', which needs rediss://."),
        ("redis://a?sentinel_password=x", "has the parameter 'sentinel_password', which needs redis+sentinel://."),
        ("rediss://a?ssl_cert_reqs=no", "has 'no' for 'ssl_cert_reqs'; it must be required, optional or none."),
        ("rediss://a?ssl_check_hostname=1", "has '1' for 'ssl_check_hostname'; it must be true or false."),
        ("rediss://a?ssl_keyfile=/x", "has the parameter 'ssl_keyfile' without 'ssl_certfile'."),
        ("unix://", "names no socket: unix:///run/valkey.sock?db=0."),
        ("unix://run/valkey.sock", "names no socket: unix:///run/valkey.sock?db=0."),
        ("redis+sentinel://a", "names no Sentinels, or no service: redis+sentinel://host:26379,host:26379/service/0."),
        (
            "redis+sentinel:///main",
            "names no Sentinels, or no service: redis+sentinel://host:26379,host:26379/service/0.",
        ),
        ("redis+sentinel://a/main/x", "must end with the number of the database, as in redis://host:6379/0."),
        (
            "redis+sentinel://a/main?sentinel_username=me",
            "has the parameter 'sentinel_username' without 'sentinel_password'.",
        ),
    ],
)
def test_a_bad_form_is_refused_with_the_remedy(url: str, refusal: str) -> None:
    assert _refusal(url) == refusal


@pytest.mark.parametrize(
    "rest",
    [
        ":hunter/2@cache", ":12/hunter@cache", ":hunter#2@cache", ":12?hunter@cache", ":hunter[2@cache:x",
        ":hunter 2@cache", ":hunter%ff@cache", "cache:hunter", ":12/hunter", "me:12/hunter2",
    ],
)  # fmt: skip
@pytest.mark.parametrize("scheme", ["redis", "rediss", "redis+sentinel"])
def test_a_password_that_is_not_encoded_is_refused_without_repeating_it(scheme: str, rest: str) -> None:
    assert "hunter" not in _refusal(f"{scheme}://{rest}/x")


@pytest.mark.parametrize("host", ["a:0", "a:65536", "a:x", "[::1", "a,,b", "[x]"])
def test_a_host_that_is_none_is_refused(host: str) -> None:
    assert _refusal(f"redis+sentinel://{host}/main").startswith("is not a URL;")


@pytest.mark.parametrize("name", ["ssl_ca_certs", "ssl_certfile"])
def test_a_file_that_is_not_there_is_refused_by_its_name(name: str) -> None:
    refusal = f"has an {name!r} that cannot be used: /absent.pem: No such file or directory."

    assert _refusal(f"rediss://a?{name}=/absent.pem") == refusal


def test_a_file_that_holds_no_certificate_is_refused(tmp_path: Path) -> None:
    place = tmp_path / "ca.pem"
    place.write_text("none", encoding="utf-8")

    assert _refusal(f"rediss://a?ssl_ca_certs={place}").startswith("has an 'ssl_ca_certs' that cannot be used:")


def test_the_url_may_stand_in_a_file(tmp_path: Path) -> None:
    place = tmp_path / "url"
    place.write_text("redis+sentinel://:pw@a,b/main\n", encoding="utf-8")

    assert _redis(REDIS_URL_FILE=str(place)) == "redis+sentinel://:pw@a:26379,b:26379/main/0"


@pytest.mark.parametrize("host", ["cache:6380", "redis://cache", "me@cache", "a,b", "a b"])
def test_a_host_beside_parts_is_only_a_host(host: str) -> None:
    with pytest.raises(BadSetting, match=r"^REDIS_HOST is not the name or the address of a host;"):
        _redis(REDIS_HOST=host)


def test_an_ipv6_address_may_be_a_part() -> None:
    assert _redis(REDIS_HOST="::1") == "redis://[::1]:6379/0"


def test_redis_may_be_given_in_parts() -> None:
    assert _redis(REDIS_HOST="cache", REDIS_PORT="6380", REDIS_PASSWORD="p/w@:") == "redis://:p%2Fw%40%3A@cache:6380/0"


def test_the_host_of_redis_is_enough() -> None:
    assert _redis(REDIS_HOST="cache") == "redis://cache:6379/0"


def test_the_password_of_redis_may_stand_in_a_file(tmp_path: Path) -> None:
    place = tmp_path / "password"
    place.write_text("from-a-file\n", encoding="utf-8")

    assert _redis(REDIS_HOST="cache", REDIS_PASSWORD_FILE=str(place)) == "redis://:from-a-file@cache:6379/0"


@pytest.mark.parametrize("name", ["REDIS_HOST", "REDIS_PORT", "REDIS_PASSWORD"])
def test_a_url_and_a_part_of_redis_together_are_refused(name: str) -> None:
    with pytest.raises(BadSetting, match=rf"^REDIS_URL and {name} are both set; keep one form\.$"):
        _redis(**{"REDIS_URL": "redis://cache", name: "6379"})


@pytest.mark.parametrize("name", ["REDIS_PORT", "REDIS_PASSWORD"])
def test_a_part_that_names_no_redis_is_refused_by_its_name(name: str) -> None:
    with pytest.raises(BadSetting, match=rf"^{name} needs REDIS_HOST beside it, or REDIS_URL instead\.$"):
        _redis(**{name: "6379"})


@pytest.mark.parametrize("source", [{}, {"REDIS_URL": ""}])
def test_no_redis_at_all_is_refused(source: dict[str, str]) -> None:
    with pytest.raises(BadSetting, match=r"^Neither REDIS_URL nor REDIS_HOST is set\.$"):
        _redis(**source)


@pytest.mark.parametrize("port", ["0", "65536"])
def test_a_port_of_redis_out_of_bounds_is_refused(port: str) -> None:
    with pytest.raises(BadSetting, match=r"^REDIS_PORT is .*; it must be between 1 and 65535\.$"):
        _redis(REDIS_HOST="cache", REDIS_PORT=port)
