"""An operator hands out the export of a person, and erases one, in the console."""

import io
import zipfile

import pytest

from accounts.models import Erasure, User
from orgs import tenancy
from orgs.models import Organization
from orgs.services.exporting import one_at_a_time
from tests.orgs.console import Browser
from tests.statements import system_rows


def page(user: User) -> str:
    return f"/admin/accounts/user/{user.id}/rights/"


def erasures_of(user: User) -> list[Erasure]:
    with tenancy.system():
        return list(Erasure.objects.filter(user_id=user.id))


def test_a_users_page_leads_to_their_rights(browser: Browser, user: User) -> None:
    answer = browser.open(f"/admin/accounts/user/{user.id}/change/")

    assert page(user) in answer.content.decode()


def test_the_export_is_downloaded_and_audited(browser: Browser, user: User, organization: Organization) -> None:
    answer = browser.send(page(user), {"export": "Download"})

    archive = zipfile.ZipFile(io.BytesIO(answer.content))
    assert user.email in archive.read("profile.json").decode()
    assert f"organizations/{organization.id}/memberships.jsonl" in archive.namelist()
    actions = system_rows("SELECT action FROM audit_entry WHERE subject_id = %s", str(user.id))
    assert ("user.exported",) in actions


def test_an_export_beyond_the_limit_names_the_command(
    browser: Browser, user: User, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("orgs.persons_console.MAX_EXPORT_BYTES", 10)

    answer = browser.send(page(user), {"export": "Download"})

    assert answer.status_code == 302
    assert "manage.py exportuser" in browser.open(page(user)).content.decode()


def test_while_another_export_is_made_the_page_says_so(browser: Browser, user: User) -> None:
    with one_at_a_time():
        answer = browser.send(page(user), {"export": "Download"})

    assert answer.status_code == 302
    assert "Another export is being made" in browser.open(page(user)).content.decode()


def test_a_person_is_erased_once_the_address_was_typed(browser: Browser, user: User, operator: User) -> None:
    answer = browser.send(page(user), {"erase": "Erase", "email": user.email})

    assert answer.status_code == 302
    assert [erasure.requested_by for erasure in erasures_of(user)] == [f"operator:{operator.id}"]
    assert str(user.id) in browser.open("/admin/accounts/erasure/").content.decode()


def test_a_wrong_address_erases_nobody(browser: Browser, user: User) -> None:
    answer = browser.send(page(user), {"erase": "Erase", "email": "other@example.com"})

    assert "not the address" in answer.content.decode()
    assert erasures_of(user) == []


def test_the_last_owner_stays_and_the_organizations_are_named(browser: Browser, organization: Organization) -> None:
    with tenancy.system():
        owner = User.objects.get(id=organization.owner_id)

    answer = browser.send(page(owner), {"erase": "Erase", "email": owner.email})

    assert organization.slug in answer.content.decode()
    assert erasures_of(owner) == []


def test_an_operator_who_may_not_do_everything_is_kept_out(browser: Browser, user: User, operator: User) -> None:
    system_rows("UPDATE accounts_user SET is_superuser = false WHERE id = %s", operator.id)

    assert browser.open(page(user)).status_code == 403


def test_a_user_who_is_not_there_has_no_page(browser: Browser) -> None:
    assert browser.open("/admin/accounts/user/01890000-0000-7000-8000-000000000000/rights/").status_code == 404
