"""Users who come with tokens of a local issuer, which the application in this process takes."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

from django.test import override_settings

from accounts.models import LinkedIdentity, User
from accounts.oidc import tokens
from accounts.oidc.issuers import Issuer
from orgs import tenancy
from tests.accounts.oidc.checking import configured
from tests.accounts.oidc.local_issuer import LocalIssuer
from tests.factories import Caller


@contextmanager
def taking_tokens_of(*issuers: Issuer) -> Iterator[None]:
    """Have this process take tokens of these issuers, their keys not read yet, for the length of the block."""
    with override_settings(OIDC_ISSUERS=issuers):
        tokens.configured.cache_clear()
        try:
            yield
        finally:
            tokens.configured.cache_clear()


def link(user: User, issuer: str, subject: str = "") -> str:
    """Link a user to a subject, theirs alone unless one is given, and return it."""
    subject = subject or f"subject-of-{user.id}"
    with tenancy.system():
        LinkedIdentity.objects.create(user=user, issuer=issuer, subject=subject)
    return subject


@dataclass
class Provider:
    """A local issuer whose tokens are taken."""

    issuer: LocalIssuer

    def caller(self, user: User, *, organization: object = None, **claims: Any) -> Caller:
        """Return a client with a token of the user, who is linked by then, that names the organization."""
        with tenancy.system():
            identity = LinkedIdentity.objects.filter(user=user, issuer=self.issuer.url).first()
        subject = identity.subject if identity else link(user, self.issuer.url)
        return self.bearing(self.issuer.token(sub=subject, **claims), organization=organization)

    @staticmethod
    def bearing(token: str, *, organization: object = None) -> Caller:
        return Caller(token, {"Holdfast-Org": str(organization)} if organization else {})


@contextmanager
def provider(issuer: LocalIssuer, **fields: object) -> Iterator[Provider]:
    with taking_tokens_of(configured(issuer, **fields)):
        yield Provider(issuer)
