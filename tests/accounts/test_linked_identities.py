"""Operators link users to what identity providers call them."""

import uuid

import pytest
from django.db import IntegrityError, ProgrammingError
from pytest_django import Settings

from accounts.models import LinkedIdentity, User
from accounts.oidc.issuers import Issuer
from orgs import tenancy
from orgs.models import Organization
from tests import factories
from tests.accounts.oidc.local_issuer import LocalIssuer
from tests.orgs.console import Browser, entries_of, make_person
from tests.orgs.tokens import Provider, link, provider
from tests.statements import rows, system_rows

ISSUER = "https://id.example"


@pytest.fixture
def browser(settings: Settings) -> Browser:
    settings.PASSWORD_HASHERS = ["django.contrib.auth.hashers.MD5PasswordHasher"]
    settings.OIDC_ISSUERS = (Issuer(ISSUER, frozenset(["us"])),)
    browser = Browser()
    assert browser.sign_in(make_person(operator=True)).status_code == 302
    return browser


def _form(user: User, *given: dict[str, str]) -> dict[str, str]:
    """Return the user's form as it stands, with these links in it; those with an id were there before."""
    form = {"email": user.email, "display_name": "", "external_id": "", "is_active": "on"}
    form |= {
        "identities-TOTAL_FORMS": str(len(given)),
        "identities-INITIAL_FORMS": str(sum("id" in one for one in given)),
        "identities-MIN_NUM_FORMS": "0",
        "identities-MAX_NUM_FORMS": "20",
    }
    for number, one in enumerate(given):
        form |= {f"identities-{number}-{name}": value for name, value in (one | {"user": str(user.id)}).items()}
    return form


def _page(user: User) -> str:
    return f"/admin/accounts/user/{user.id}/change/"


def _links(user: User) -> list[tuple[str, str]]:
    return system_rows("SELECT issuer, subject FROM accounts_linkedidentity WHERE user_id = %s", user.id)


def test_an_operator_links_a_user(browser: Browser) -> None:
    user, subject, name = factories.make_user(), uuid.uuid4().hex, uuid.uuid4().hex

    browser.send(_page(user), _form(user, {"issuer": ISSUER, "subject": subject}), X_Request_Id=name)

    assert _links(user) == [(ISSUER, subject)]
    assert ("identity.linked", str(user.id)) in [(entry[0], entry[2]) for entry in entries_of(name)]


def test_an_operator_takes_a_link_away(browser: Browser) -> None:
    user, name = factories.make_user(), uuid.uuid4().hex
    link(user, ISSUER)
    with tenancy.system():
        identity = LinkedIdentity.objects.get(user=user)

    browser.send(_page(user), _form(user, {"id": str(identity.id), "DELETE": "on"}), X_Request_Id=name)

    assert _links(user) == []
    assert ("identity.unlinked", str(user.id)) in [(entry[0], entry[2]) for entry in entries_of(name)]


def test_a_link_is_not_changed(browser: Browser) -> None:
    user = factories.make_user()
    subject = link(user, ISSUER)
    with tenancy.system():
        identity = LinkedIdentity.objects.get(user=user)

    browser.send(_page(user), _form(user, {"id": str(identity.id), "issuer": ISSUER, "subject": "somebody else"}))

    assert _links(user) == [(ISSUER, subject)]


@pytest.mark.parametrize("given", [{"issuer": "https://unknown.example"}, {"subject": ""}, {"subject": "x" * 256}])
def test_what_cannot_be_linked_is_refused(browser: Browser, given: dict[str, str]) -> None:
    user = factories.make_user()

    answer = browser.send(_page(user), _form(user, {"issuer": ISSUER, "subject": "x"} | given))

    assert answer.status_code == 200
    assert _links(user) == []


def test_a_subject_belongs_to_one_user(browser: Browser) -> None:
    subject = link(factories.make_user(), ISSUER)
    user = factories.make_user()

    answer = browser.send(_page(user), _form(user, {"issuer": ISSUER, "subject": subject}))

    assert b"This subject of the issuer is linked to a user already." in answer.content
    assert _links(user) == []


def test_the_database_holds_that_too() -> None:
    subject = link(factories.make_user(), ISSUER)
    user = factories.make_user()

    with pytest.raises(IntegrityError):
        link(user, ISSUER, subject)


def test_without_issuers_there_is_nothing_to_link(browser: Browser, settings: Settings) -> None:
    settings.OIDC_ISSUERS = ()

    assert b"identities" not in browser.open(_page(factories.make_user())).content


def test_a_tenant_reads_no_links(organization: Organization) -> None:
    with tenancy.organization(organization.id), pytest.raises(ProgrammingError, match="permission denied"):
        rows("SELECT * FROM accounts_linkedidentity")


def test_who_is_unlinked_is_refused_at_once(issuer: LocalIssuer, organization: Organization, browser: Browser) -> None:
    user = factories.make_member(organization)
    with provider(issuer) as taken:
        assert isinstance(taken, Provider)
        caller = taken.caller(user)
        assert caller.get("/me").status == 200
        with tenancy.system():
            identity = LinkedIdentity.objects.get(user=user)

        browser.send(_page(user), _form(user, {"id": str(identity.id), "DELETE": "on"}))

        assert caller.get("/me").code == "user-unknown"
