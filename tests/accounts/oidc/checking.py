"""A verifier for a local issuer, and what it says of a token."""

from dataclasses import replace
from datetime import UTC, datetime

from accounts.oidc.issuers import Issuer
from accounts.oidc.tokens import Verified, Verifier
from tests.accounts.oidc.local_issuer import AUDIENCE, LocalIssuer


def configured(issuer: LocalIssuer, **fields: object) -> Issuer:
    return replace(Issuer(issuer.url, frozenset([AUDIENCE])), **fields)  # type: ignore[arg-type]


def verified(issuer: LocalIssuer, token: str, **fields: object) -> Verified:
    """Verify with a verifier that has seen nothing before."""
    return Verifier.of((configured(issuer, **fields),)).verify(token, now=datetime.now(UTC))
