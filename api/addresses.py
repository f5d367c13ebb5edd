"""Where the servers are, as the environment says it. Needs no Django: programs that use the stores read it too.

Each reader takes the variable's name, understands `NAME_FILE` (the value stands in that file), and raises
`BadSetting` with the name and the remedy instead of letting a wrong value travel further.
"""

import os
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from urllib.parse import SplitResult, parse_qsl, unquote, urlsplit

from api.valkey_addresses import BadAddress, ValkeyAddress, parse_valkey_url

DATABASE_PARTS = ("DB_HOST", "DB_PORT", "DB_NAME", "DB_USER", "DB_PASS")
REDIS_PARTS = ("REDIS_HOST", "REDIS_PORT", "REDIS_PASSWORD")
HOST_ALONE = re.compile(r"[^\s:/@,\[\]]+|[0-9A-Fa-f:.]+")
# A server that is gone without a word is noticed within half a minute; DATABASE_URL may say otherwise.
PATIENCE = {
    "connect_timeout": 5,
    "keepalives_idle": 15,
    "keepalives_interval": 5,
    "keepalives_count": 3,
    "tcp_user_timeout": 30_000,
}


class BadSetting(Exception):
    """Raised when a setting is missing, malformed or unsafe; the message names it and the remedy."""


@dataclass(frozen=True)
class Addresses:
    """Read addresses from a mapping, by default the process environment."""

    source: Mapping[str, str] = field(default_factory=lambda: os.environ)

    def find(self, name: str) -> str | None:
        """Return the value of `name`, or of the file that `NAME_FILE` names, or None when neither is set."""
        path = self.source.get(f"{name}_FILE")
        if path and self.source.get(name):
            raise BadSetting(f"{name} and {name}_FILE are both set; keep one of them.")
        if not path:
            return self.source.get(name) or None
        try:
            return Path(path).read_text(encoding="utf-8").strip() or None
        except (OSError, UnicodeDecodeError) as error:
            raise BadSetting(f"{name}_FILE names {path}, which cannot be read: {error}.") from error

    def text(self, name: str, default: str) -> str:
        found = self.find(name)
        return default if found is None else found

    def integer(self, name: str, default: int, *, least: int, most: int) -> int:
        found = self.text(name, str(default))
        try:
            value = int(found)
        except ValueError:
            raise BadSetting(f"{name} is {found!r}; it must be a whole number.") from None
        if not least <= value <= most:
            raise BadSetting(f"{name} is {value}; it must be between {least} and {most}.")
        return value

    def database(self) -> dict[str, object]:
        """Return Django's connection parameters from `DATABASE_URL` or the `DB_*` parts."""
        if url := self._one_form("DATABASE_URL", DATABASE_PARTS, ("DB_HOST", "DB_NAME", "DB_USER")):
            return parse_database_url(url)
        return {
            "HOST": self.text("DB_HOST", "localhost"),
            "PORT": self.integer("DB_PORT", 5432, least=1, most=65535),
            "NAME": self.text("DB_NAME", "holdfast"),
            "USER": self.text("DB_USER", "holdfast"),
            "PASSWORD": self.text("DB_PASS", ""),
            "OPTIONS": {},
        }

    def valkey(self) -> ValkeyAddress:
        """Return where Valkey or Redis is, from `REDIS_URL` or the `REDIS_*` parts."""
        if url := self._one_form("REDIS_URL", REDIS_PARTS, ("REDIS_HOST",)):
            try:
                return parse_valkey_url(url)
            except BadAddress as error:
                raise BadSetting(f"REDIS_URL {error}") from None
        host, password = self.text("REDIS_HOST", ""), self.find("REDIS_PASSWORD")
        port = self.integer("REDIS_PORT", 6379, least=1, most=65535)
        if not HOST_ALONE.fullmatch(host):
            raise BadSetting("REDIS_HOST is not the name or the address of a host; a port goes into REDIS_PORT.")
        return ValkeyAddress(((host, port),), password=password or "")

    def _one_form(self, whole: str, parts: Sequence[str], enough: Sequence[str]) -> str | None:
        """Return the URL, or None where the parts say enough; refuse both together, too few parts, and neither."""
        url = self.find(whole)
        given = [name for name in parts if self.find(name)]
        if url and given:
            raise BadSetting(f"{whole} and {given[0]} are both set; keep one form.")
        if url or set(given) & set(enough):
            return url
        alternatives = enough[0] if len(enough) == 1 else f"{', '.join(enough[:-1])} or {enough[-1]}"
        if given:
            raise BadSetting(f"{given[0]} needs {alternatives} beside it, or {whole} instead.")
        raise BadSetting(f"Neither {whole} nor {alternatives} is set.")


# asyncpg and SQLAlchemy write `ssl=`, libpq writes `sslmode=`; their values carry over.
QUERY_NAMES = {"ssl": "sslmode", "timeout": "connect_timeout"}
QUERY_VALUES = {"true": "require", "false": "disable"}
SSL_MODES = ("disable", "allow", "prefer", "require", "verify-ca", "verify-full")
KNOWN_QUERY = {
    "sslmode", "sslrootcert", "sslcert", "sslkey", "connect_timeout", "application_name", "options",
    "target_session_attrs", "keepalives", "keepalives_idle", "keepalives_interval", "keepalives_count",
    "tcp_user_timeout", "channel_binding", "gssencmode",
}  # fmt: skip


# What other drivers keep for themselves, with no meaning here.
FOREIGN_QUERY = {
    "async_fallback", "command_timeout", "max_cacheable_statement_size", "max_cached_statement_lifetime",
    "prepared_statement_cache_size", "prepared_statement_name_func", "statement_cache_size",
}  # fmt: skip


def split_url(name: str, url: str) -> SplitResult:
    try:
        parts = urlsplit(url)
        # An @ further on says that the password is not encoded, and that this is a part of it.
        if "," in parts.netloc.rpartition("@")[2] and "@" not in url.removeprefix(f"{parts.scheme}://{parts.netloc}"):
            raise BadSetting(f"{name} names several hosts, which is not supported: name one, or a proxy before them.")
        parts.port  # noqa: B018  (reading it is what validates it)
    except ValueError:
        # The parser's own words repeat what it took for a port: part of a password that holds a slash, for one.
        raise BadSetting(f"{name} is not a URL; are special characters in its password percent-encoded?") from None
    return parts


def _host(parts: SplitResult) -> str:
    """Return the host as it was written: a socket's folder (%2Fvar%2FRun) has a case, which `hostname` may lower."""
    host = parts.netloc.rpartition("@")[2]
    return host[1:].partition("]")[0] if host.startswith("[") else host.partition(":")[0]


def parse_database_url(url: str) -> dict[str, object]:
    """Return Django's connection parameters for a PostgreSQL URL, also one written for another driver.

    `postgres://`, `postgresql+asyncpg://`, `postgresql+psycopg://` are the same database; `?ssl=require` is
    read as `sslmode=require`, and what only another driver understands is left out. An unknown query parameter is
    refused: libpq would refuse it only at connect time.
    """
    parts = split_url("DATABASE_URL", url)
    if parts.scheme.split("+")[0] not in ("postgres", "postgresql"):
        raise BadSetting("DATABASE_URL must begin with postgresql://; PostgreSQL is the only database supported.")
    options: dict[str, object] = {}
    for given, value in parse_qsl(parts.query, keep_blank_values=True):
        name = QUERY_NAMES.get(given, given)
        if name in FOREIGN_QUERY:
            continue
        if name not in KNOWN_QUERY:
            raise BadSetting(f"DATABASE_URL has the unknown parameter {name!r}.")
        options[name] = QUERY_VALUES.get(value.lower(), value) if name == "sslmode" else value
    if options.get("sslmode", "prefer") not in SSL_MODES:
        raise BadSetting(f"DATABASE_URL asks for the unknown sslmode {options['sslmode']!r}.")
    if not parts.path.strip("/"):
        raise BadSetting("DATABASE_URL names no database: postgresql://user:password@host:5432/name.")
    if set(parts.path.strip("/")) & {"/", "@"}:
        # A password such as 12/34 reads as the port 12, and its rest and the true host as the database's name.
        raise BadSetting("DATABASE_URL is not a URL; are special characters in its password percent-encoded?")
    return {
        "HOST": unquote(_host(parts)),
        "PORT": parts.port or 5432,
        "NAME": unquote(parts.path.strip("/")),
        "USER": unquote(parts.username or ""),
        "PASSWORD": unquote(parts.password or ""),
        "OPTIONS": options,
    }
