"""Typed readers for the process environment.

Each reader takes the variable's name, understands `NAME_FILE` (the value stands in that file), and raises
`BadSetting` with the name and the remedy instead of letting a wrong value travel into the service.
"""

from dataclasses import dataclass

from accounts.oidc.issuers import BadIssuers, Issuer, parse_issuers
from api.addresses import Addresses, BadSetting, parse_database_url, split_url

__all__ = ["BadSetting", "Environment", "parse_database_url"]

TRUE = {"1", "true", "yes", "on"}
FALSE = {"0", "false", "no", "off"}
PLACEHOLDERS = ("changeme", "change-me", "insecure", "secret-key", "password")


@dataclass(frozen=True)
class Environment(Addresses):
    """Read settings from a mapping, by default the process environment; the addresses of servers too."""

    def secret(self, name: str, *, least: int = 32) -> str:
        """Return a secret of at least `least` characters; a missing, short or placeholder one is refused."""
        found = self.find(name)
        if found is None:
            raise BadSetting(f"{name} is not set. Give it at least {least} random characters, or {name}_FILE.")
        return _strong(name, found, least)

    def secrets(self, name: str, *, least: int = 32) -> list[str]:
        """Return a comma-separated list of secrets, each as strong as `secret` asks; none when it is not set."""
        return [_strong(name, found, least) for found in self.names(name, [])]

    def boolean(self, name: str, default: bool) -> bool:
        found = self.text(name, "true" if default else "false").lower()
        if found not in TRUE | FALSE:
            raise BadSetting(f"{name} is {found!r}; it must be true or false.")
        return found in TRUE

    def choice(self, name: str, default: str, allowed: tuple[str, ...]) -> str:
        found = self.text(name, default)
        if found not in allowed:
            raise BadSetting(f"{name} is {found!r}; it must be one of {', '.join(allowed)}.")
        return found

    def names(self, name: str, default: list[str]) -> list[str]:
        """Return a comma-separated list without blanks; one that is set names something."""
        found = self.find(name)
        if found is None:
            return default
        if not (parts := [part.strip() for part in found.split(",") if part.strip()]):
            raise BadSetting(f"{name} is {found!r}, which names nothing; leave it out instead.")
        return parts

    def origins(self, name: str) -> list[str]:
        """Return a comma-separated list of origins: a scheme and a host, which may begin with `*.`, and no more."""
        return [_origin(name, found) for found in self.names(name, [])]

    def origin(self, name: str) -> str:
        """Return one origin, without a `*.`; nothing when it is not set."""
        found = self.find(name)
        if found and "*" in found:
            raise BadSetting(f"{name} is {found!r}; it must name one host.")
        return _origin(name, found.removesuffix("/")) if found else ""

    def issuers(self, name: str) -> tuple[Issuer, ...]:
        """Return the OpenID Connect issuers of a JSON list; none when it is not set."""
        found = self.find(name)
        try:
            return parse_issuers(found) if found else ()
        except BadIssuers as error:
            raise BadSetting(f"{name}{'' if str(error).startswith('[') else ' '}{error}") from None


def _origin(name: str, origin: str) -> str:
    parts = split_url(name, origin)
    if parts.scheme not in ("http", "https") or not parts.hostname or f"{parts.scheme}://{parts.netloc}" != origin:
        raise BadSetting(f"{name} has {origin!r}; an origin is a scheme and a host, https://example.com.")
    return origin


def _strong(name: str, found: str, least: int) -> str:
    if len(found) < least:
        raise BadSetting(f"{name} has {len(found)} characters; it needs at least {least} random ones.")
    if any(word in found.lower() for word in PLACEHOLDERS):
        raise BadSetting(f"{name} is a placeholder. Give it at least {least} random characters.")
    if len(set(found)) < 8:
        raise BadSetting(f"{name} repeats too few characters to be random.")
    return found
