"""The operator and the browser of the console's tests, an issuer, and a user with an organization of their own."""

import pytest

from accounts.models import User
from orgs.models import Organization
from tests import factories
from tests.accounts.oidc.conftest import issuer
from tests.factories import Caller
from tests.orgs.conftest import browser, operator, quick_passwords

__all__ = ["browser", "issuer", "operator", "quick_passwords"]


@pytest.fixture
def user() -> User:
    return factories.make_user(display_name="Ada")


@pytest.fixture
def home(user: User) -> Organization:
    """The organization that the user owns."""
    return factories.make_organization(user)


@pytest.fixture
def me(home: Organization, user: User) -> Caller:
    """A key of the user there."""
    return Caller(factories.make_key(home, user=user).text)
