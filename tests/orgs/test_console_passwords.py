"""The rules of passwords hold wherever one is set."""

import uuid
from typing import Any

import pytest

from accounts.models import User
from orgs import tenancy
from tests import factories
from tests.factories import Caller
from tests.orgs.console import PASSWORD, Browser

REFUSED = [
    ("short4u", "too short"),
    ("x7" * 129, "too long"),
    ("1q2w3e4r5t6y", "too common"),
    ("918273645546372819", "entirely numeric"),
]
over_rules = pytest.mark.parametrize(("password", "reason"), REFUSED, ids=[reason for _, reason in REFUSED])


@over_rules
def test_when_a_user_is_added(browser: Browser, password: str, reason: str) -> None:
    email = f"{uuid.uuid4().hex}@example.com"

    answer = browser.send("/admin/accounts/user/add/", {"email": email, "password1": password, "password2": password})

    assert reason in answer.content.decode()
    with tenancy.system():
        assert not User.objects.with_email(email).exists()


@over_rules
def test_when_an_operator_sets_it(browser: Browser, password: str, reason: str) -> None:
    user = factories.make_user()
    form = {"password1": password, "password2": password, "usable_password": "true"}

    answer = browser.send(f"/admin/accounts/user/{user.id}/password/", form)

    assert reason in answer.content.decode()


@over_rules
def test_when_one_changes_ones_own(browser: Browser, operator: User, password: str, reason: str) -> None:
    form = {"old_password": PASSWORD, "new_password1": password, "new_password2": password}

    answer = browser.send("/admin/password_change/", form)

    assert reason in answer.content.decode()
    assert Browser().sign_in(operator).status_code == 302


@over_rules
def test_when_someone_signs_up(password: str, reason: str) -> None:
    body: dict[str, Any] = {
        "email": f"{uuid.uuid4().hex}@example.com", "password": password, "display_name": "Ada",
        "organization": {"name": "Acme", "slug": f"acme-{uuid.uuid4().hex[:20]}"},
    }  # fmt: skip

    answer = Caller("").post("/signup", body)

    # How long one may be is told by the document, and so refused with the form.
    too_long = ("invalid", "password: String should have at most 256 characters")
    code, said = too_long if reason == "too long" else ("weak-password", reason)
    assert (answer.status, answer.code) == (422, code)
    assert said in answer.json["detail"]


def test_a_password_like_the_address_is_refused(browser: Browser) -> None:
    name = f"ada{uuid.uuid4().hex}"
    form = {"email": f"{name}@example.com", "password1": name, "password2": name}

    assert "too similar" in browser.send("/admin/accounts/user/add/", form).content.decode()


def test_the_longest_password_signs_in(browser: Browser) -> None:
    user, password = factories.make_user(is_staff=True, is_superuser=True), "aB3-" * 64
    browser.send(f"/admin/accounts/user/{user.id}/password/", {"password1": password, "password2": password})

    assert Browser().sign_in(user, password).status_code == 302
