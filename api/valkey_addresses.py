"""Where Valkey or Redis is, as `REDIS_URL` says it. Needs no Django and no client."""

import re
import ssl
from dataclasses import dataclass, field
from urllib.parse import parse_qsl, quote, unquote, urlencode

Host = tuple[str, int]

# What follows the scheme of a URL; of what is not encoded in a password, only an @ can be told apart.
REST = re.compile(r"(?:(?P<user>[^/?#]*)@)?(?P<hosts>[^@/?#]*)(?P<path>/[^@?#]*)?(?:\?(?P<query>[^@?#]*))?")
HOST = re.compile(r"(?:\[(?P<address>[0-9A-Fa-f:.]+)\]|(?P<name>[^\[\]:]+))(?::(?P<port>\d{1,5}))?", re.ASCII)
# What Sentinel takes for the name of a master.
SERVICE = re.compile(r"[A-Za-z0-9._-]+")
DATABASE = re.compile(r"\d{1,5}", re.ASCII)
# Each with whether it is reached over TLS.
SERVERS = {"redis": False, "rediss": True, "valkey": False, "valkeys": True}
SENTINELS = {f"{scheme}+sentinel": tls for scheme, tls in SERVERS.items()}
# As redis-py, and as Celery, writes them.
VERIFY = {"required": "required", "optional": "optional", "none": "none"}
VERIFY |= {"CERT_REQUIRED": "required", "CERT_OPTIONAL": "optional", "CERT_NONE": "none"}
TLS_QUERY = ("ssl_cert_reqs", "ssl_check_hostname", "ssl_ca_certs", "ssl_certfile", "ssl_keyfile")
SENTINEL_QUERY = ("sentinel_username", "sentinel_password")
NEEDED = dict.fromkeys(TLS_QUERY, "needs rediss://") | dict.fromkeys(SENTINEL_QUERY, "needs redis+sentinel://")
BEGINNINGS = "redis://, rediss://, unix://, redis+sentinel:// or rediss+sentinel://"
NOT_A_URL = "is not a URL; are special characters in its password percent-encoded?"


class BadAddress(Exception):
    """Raised for a URL that names no server; the sentence, which follows the setting's name, repeats no secret."""


@dataclass(frozen=True)
class ValkeyAddress:
    """One server, by host or by the path of its socket, or the Sentinels that know which one serves."""

    # Of the server, or of the Sentinels.
    hosts: tuple[Host, ...] = ()
    path: str = ""
    # The name under which the Sentinels watch the server; empty without them.
    service: str = ""
    database: int = 0
    username: str = ""
    password: str = field(default="", repr=False)
    sentinel_username: str = ""
    sentinel_password: str = field(default="", repr=False)
    tls: bool = False
    # Of TLS_QUERY, in its order.
    tls_options: tuple[tuple[str, str], ...] = ()

    @property
    def url(self) -> str:
        """Return the URL in its one form, of which parse_valkey_url makes an equal address."""
        scheme = "unix" if self.path else f"redis{'s' * self.tls}{'+sentinel' * bool(self.service)}"
        hosts = ",".join(f"[{name}]:{port}" if ":" in name else f"{name}:{port}" for name, port in self.hosts)
        place = quote(self.path) if self.path else f"{'/' * bool(self.service)}{self.service}/{self.database}"
        query = {"db": str(self.database)} if self.path else {}
        query |= dict(self.tls_options)
        query |= {name: value for name in SENTINEL_QUERY if (value := getattr(self, name))}
        asked = f"?{urlencode(query, quote_via=quote)}" if query else ""
        return f"{scheme}://{self.userinfo}{hosts}{place}{asked}"

    @property
    def userinfo(self) -> str:
        """Return `user:password@` as URLs hold it; empty where there is neither."""
        if not (self.username or self.password):
            return ""
        return f"{quote(self.username, safe='')}:{quote(self.password, safe='')}@"


def parse_valkey_url(url: str) -> ValkeyAddress:
    """Return the address that a URL names; raises BadAddress."""
    scheme, separator, rest = url.partition("://")
    scheme = scheme.lower()
    if separator and scheme.endswith(("+cluster", "-cluster")):
        raise BadAddress("asks for cluster mode, which is not supported: name one server, or its Sentinels.")
    if not separator or scheme not in ("unix", *SERVERS, *SENTINELS):
        raise BadAddress(f"must begin with {BEGINNINGS}.")
    found = REST.fullmatch(rest)
    if found is None or re.search(r"[\x00-\x20\x7f]", rest):
        raise BadAddress(NOT_A_URL)
    tls = {**SERVERS, **SENTINELS}.get(scheme, False)
    allowed = (*(TLS_QUERY if tls else ()), *(SENTINEL_QUERY if scheme in SENTINELS else ("db",)))
    query = _query(found["query"] or "", allowed)
    username, password = _user(found["user"])
    where = _socket if scheme == "unix" else _sentinels if scheme in SENTINELS else _server
    hosts, path, service, database = where(found["hosts"], found["path"] or "", query)
    return ValkeyAddress(
        hosts, path, service, database, username, password,
        query.get("sentinel_username", ""), query.get("sentinel_password", ""), tls, _tls_options(query),
    )  # fmt: skip


def _query(text: str, allowed: tuple[str, ...]) -> dict[str, str]:
    pairs = parse_qsl(text, keep_blank_values=True)
    for name, value in pairs:
        if name not in allowed:
            raise BadAddress(f"has the parameter {name!r}, which {NEEDED.get(name, 'is not known')}.")
        if not value:
            raise BadAddress(f"has the parameter {name!r} without a value.")
    if len(dict(pairs)) < len(pairs):
        raise BadAddress("has a parameter twice.")
    query = dict(pairs)
    if "sentinel_username" in query and "sentinel_password" not in query:
        raise BadAddress("has the parameter 'sentinel_username' without 'sentinel_password'.")
    return query


def _user(text: str | None) -> tuple[str, str]:
    if text is None:
        return "", ""
    username, separator, password = text.partition(":")
    if not separator:
        raise BadAddress("names a user without a password: a password alone is written redis://:password@host.")
    try:
        return unquote(username, errors="strict"), unquote(password, errors="strict")
    except UnicodeDecodeError:
        raise BadAddress(NOT_A_URL) from None


def _server(hosts: str, path: str, query: dict[str, str]) -> tuple[tuple[Host, ...], str, str, int]:
    if "," in hosts:
        raise BadAddress("names several hosts: that is for Sentinels, redis+sentinel://host,host/service.")
    if not hosts:
        raise BadAddress("names no host: redis://:password@host:6379/0.")
    number = path.strip("/")
    if "db" in query and number:
        raise BadAddress("names the database twice.")
    return (_host(hosts, 6379),), "", "", _database(number or query.get("db", "0"))


def _socket(hosts: str, path: str, query: dict[str, str]) -> tuple[tuple[Host, ...], str, str, int]:
    if hosts or not path.strip("/"):
        raise BadAddress("names no socket: unix:///run/valkey.sock?db=0.")
    return (), unquote(path), "", _database(query.get("db", "0"))


def _sentinels(hosts: str, path: str, query: dict[str, str]) -> tuple[tuple[Host, ...], str, str, int]:
    service, _, number = path.strip("/").partition("/")
    service = unquote(service)
    if not hosts or not SERVICE.fullmatch(service):
        raise BadAddress("names no Sentinels, or no service: redis+sentinel://host:26379,host:26379/service/0.")
    return tuple(_host(host, 26379) for host in hosts.split(",")), "", service, _database(number or "0")


def _host(text: str, port: int) -> Host:
    found = HOST.fullmatch(text)
    number = int(found["port"] or port) if found else 0
    if found is None or not 1 <= number <= 65535:
        raise BadAddress(NOT_A_URL)
    return found["address"] or unquote(found["name"]).lower(), number


def _database(text: str) -> int:
    if not DATABASE.fullmatch(text):
        # Its words may be the rest of a password that holds a slash.
        raise BadAddress("must end with the number of the database, as in redis://host:6379/0.")
    return int(text)


def _tls_options(query: dict[str, str]) -> tuple[tuple[str, str], ...]:
    options = {name: query[name] for name in TLS_QUERY if name in query}
    if (verify := options.get("ssl_cert_reqs")) is not None:
        if verify not in VERIFY:
            raise BadAddress(f"has {verify!r} for 'ssl_cert_reqs'; it must be required, optional or none.")
        options["ssl_cert_reqs"] = VERIFY[verify]
    if (check := options.get("ssl_check_hostname")) is not None:
        options["ssl_check_hostname"] = check.lower()
        if check.lower() not in ("true", "false"):
            raise BadAddress(f"has {check!r} for 'ssl_check_hostname'; it must be true or false.")
    _check_files(options)
    return tuple(options.items())


def _check_files(options: dict[str, str]) -> None:
    """Load what the options name, as the first connection would; raises BadAddress."""
    context = ssl.create_default_context()
    try:
        if authorities := options.get("ssl_ca_certs"):
            context.load_verify_locations(authorities)
    except OSError as error:
        raise BadAddress(f"has an 'ssl_ca_certs' that cannot be used: {authorities}: {error.strerror}.") from None
    if "ssl_keyfile" in options and "ssl_certfile" not in options:
        raise BadAddress("has the parameter 'ssl_keyfile' without 'ssl_certfile'.")
    try:
        if certificate := options.get("ssl_certfile"):
            # A key that needs a password would be asked for at the terminal.
            context.load_cert_chain(certificate, options.get("ssl_keyfile"), password="")
    except OSError as error:
        raise BadAddress(f"has an 'ssl_certfile' that cannot be used: {certificate}: {error.strerror}.") from None
