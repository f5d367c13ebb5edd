import subprocess
import sys
from collections.abc import Iterator

import pytest
from pytest_django import Settings

from accounts.models import User
from orgs import tenancy
from orgs.models import Organization
from orgs.services.api_keys import MintedKey
from tests import factories
from tests.accounts.oidc.conftest import issuer
from tests.accounts.oidc.local_issuer import LocalIssuer
from tests.factories import Caller
from tests.orgs import chromium
from tests.orgs.console import Browser, make_person
from tests.orgs.places import key_of, place_of
from tests.orgs.servers import CHECKOUT, free_port, listens, service_environ
from tests.orgs.tokens import Provider, provider

__all__ = ["issuer"]


@pytest.fixture
def quick_passwords(settings: Settings) -> None:
    """Deriving a real hash takes a good part of a second, and is Django's."""
    settings.PASSWORD_HASHERS = ["django.contrib.auth.hashers.MD5PasswordHasher"]


@pytest.fixture
def operator(quick_passwords: None) -> User:
    return make_person(operator=True)


@pytest.fixture
def browser(operator: User) -> Browser:
    """A browser in which the operator has signed in."""
    browser = Browser()
    assert browser.sign_in(operator).status_code == 302
    return browser


@pytest.fixture
def founder(organization: Organization) -> Caller:
    """A key of the user who owns the organization."""
    with tenancy.system():
        user = User.objects.get(id=organization.owner_id)
    return key_of(organization, user)


@pytest.fixture
def own_place(organization: Organization) -> str:
    """The membership of the one owner."""
    return place_of(organization, organization.owner_id)


@pytest.fixture
def user(organization: Organization) -> User:
    return factories.make_member(organization)


@pytest.fixture
def taken(issuer: LocalIssuer) -> Iterator[Provider]:
    """An issuer whose tokens are taken."""
    with provider(issuer) as found:
        yield found


@pytest.fixture
def site() -> Iterator[str]:
    """The service on the test database, under granian; gives its address."""
    port = free_port()
    command = [sys.executable, "-m", "granian", "--interface", "wsgi", "--no-ws", "--port", str(port)]
    with subprocess.Popen(
        [*command, "config.wsgi:application"],
        env=service_environ(), cwd=CHECKOUT, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
    ) as process:  # fmt: skip
        try:
            chromium.until(lambda: listens(port))
            yield f"http://127.0.0.1:{port}"
        finally:
            process.terminate()


@pytest.fixture
def old(organization: Organization) -> MintedKey:
    """A key of an agent, which is to be replaced."""
    return factories.make_key(organization, scopes=("tasks:write",), agent=factories.make_agent(organization))
