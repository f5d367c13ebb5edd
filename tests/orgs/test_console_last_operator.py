"""Operators cannot lock themselves out: one who may do everything stays."""

from concurrent.futures import ThreadPoolExecutor

import pytest

from accounts.models import User
from orgs import tenancy
from tests.orgs.console import Browser, make_person
from tests.statements import elsewhere, system_rows, wait_until_someone_waits


@pytest.fixture
def alone(operator: User, browser: Browser) -> Browser:
    """The browser of the only operator there is."""
    system_rows("UPDATE accounts_user SET is_staff = false WHERE id <> %s", operator.id)
    return browser


def form_of(user: User, *kept: str) -> dict[str, str]:
    return {"email": user.email, **dict.fromkeys(kept, "on")}


@pytest.mark.parametrize("lost", ["is_active", "is_staff", "is_superuser"])
def test_the_last_operator_keeps_every_power(alone: Browser, operator: User, lost: str) -> None:
    kept = {"is_active", "is_staff", "is_superuser"} - {lost}

    answer = alone.send(f"/admin/accounts/user/{operator.id}/change/", form_of(operator, *kept))

    assert "last operator" in answer.content.decode()
    assert alone.open("/admin/accounts/user/").status_code == 200


def test_the_last_operator_can_be_renamed(alone: Browser, operator: User) -> None:
    form = form_of(operator, "is_active", "is_staff", "is_superuser") | {"display_name": "Ada"}

    answer = alone.send(f"/admin/accounts/user/{operator.id}/change/", form)

    assert answer.status_code == 302


def test_an_operator_beside_another_can_be_deactivated(alone: Browser, operator: User) -> None:
    other = make_person(operator=True)

    answer = alone.send(f"/admin/accounts/user/{other.id}/change/", form_of(other, "is_staff", "is_superuser"))

    assert answer.status_code == 302


def test_an_operator_deactivated_while_the_other_one_is_stays(alone: Browser, operator: User) -> None:
    other = make_person(operator=True)
    path, form = f"/admin/accounts/user/{operator.id}/change/", form_of(operator, "is_staff", "is_superuser")

    with ThreadPoolExecutor(1) as pool, tenancy.system():
        User.objects.filter(id=other.id).update(is_active=False)
        waiting = pool.submit(elsewhere, lambda: alone.send(path, form))
        wait_until_someone_waits()
        # The scope ends here: the other one's end commits, and the pool waits for the answer.
    answer = waiting.result()

    assert "last operator" in answer.content.decode()
