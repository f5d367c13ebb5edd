import pytest
from pytest_django import Settings

from accounts.models import User
from tests.orgs.console import Browser, make_person


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
