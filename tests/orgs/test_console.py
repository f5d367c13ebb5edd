"""What operators see and do in the console."""

import uuid
from typing import Any

import pytest
from django.contrib import admin
from django.db import connection, models
from django.http import HttpRequest, HttpResponse
from django.test import RequestFactory
from django.utils import timezone

from accounts.models import Erasure, User
from api.identifiers import new_id
from audit.models import Entry
from coordination.services import set_rate_limits
from events.models import Event
from orgs import keys, tenancy
from orgs.middleware import OperatorMiddleware
from orgs.models import APIKey, Membership, Organization
from sessions_store.models import Session
from tasks.models import Context, Task
from tests import factories
from tests.audit.trail import add_entry
from tests.factories import Caller, create_session, submit_task
from tests.orgs.console import PASSWORD, Browser, entries_of, make_person
from tests.orgs.invitations import invite
from tests.statements import events_of, rows, statements, system_rows

SECRET = "a secret that the organization told its agent"


@pytest.fixture(scope="module")
def several() -> list[Organization]:
    """Two organizations with a row of everything that the console shows."""
    made = [factories.make_organization() for _ in range(2)]
    for organization in made:
        user = factories.make_member(organization)
        factories.make_key(organization, agent=factories.make_agent(organization))
        factories.make_console_session(user)
        caller = Caller(factories.make_key(organization, user=user).text)
        create_session(caller, title="Session", state={"known": SECRET}, metadata={"known": SECRET})
        submit_task(caller, metadata={"known": SECRET})
        Caller(factories.make_key(organization, scopes=("tasks:read",)).text).get("/agents")
        invite(Caller(factories.make_key(organization).text))
        with tenancy.system():
            set_rate_limits(organization.id, changes={"key_requests": 1000}, actor="test")
    return made


def registered() -> list[type[models.Model]]:
    return sorted(admin.site._registry, key=lambda model: model._meta.label)


def path_of(model: type[models.Model], *rest: object) -> str:
    return "/".join(["/admin", model._meta.app_label, str(model._meta.model_name), *map(str, rest), ""])


def test_the_console_lists_every_model_that_is_registered(browser: Browser) -> None:
    content = browser.open("/admin/").content.decode()

    assert [model for model in registered() if f'href="{path_of(model)}"' not in content] == []


@pytest.mark.parametrize("model", registered(), ids=lambda model: model._meta.label)
def test_lists_show_the_rows_of_every_organization(
    browser: Browser, several: list[Organization], model: type[models.Model]
) -> None:
    answer = browser.open(path_of(model))

    assert answer.status_code == 200
    page = answer.content.decode()
    if {"organization", "organization_id"} & {field.name for field in model._meta.fields} or model is Organization:
        assert [one for one in several if one.name not in page and str(one.id) not in page] == []


@pytest.mark.parametrize("model", registered(), ids=lambda model: model._meta.label)
def test_details_of_every_row_can_be_opened_and_hold_no_secret(
    browser: Browser, several: list[Organization], model: type[models.Model]
) -> None:
    with tenancy.system():
        for _ in range(2):
            now = timezone.now()
            Erasure.objects.create(user_id=new_id(), requested_at=now, refused_at=now, requested_by="system")
        listed = admin.site._registry[model].get_queryset(RequestFactory().get("/admin/"))
        primary_keys = [row.pk for row in listed.order_by("-pk")[:4]]

    answers = [browser.open(path_of(model, key, "change")) for key in primary_keys]

    assert len(answers) >= 2
    assert {answer.status_code for answer in answers} == {200}
    assert SECRET not in "".join(answer.content.decode() for answer in answers)


@pytest.mark.parametrize("model", registered(), ids=lambda model: model._meta.label)
def test_every_list_can_be_searched(browser: Browser, several: list[Organization], model: type[models.Model]) -> None:
    for word in ("nothing at all", str(uuid.uuid4()), "%_'\""):
        assert browser.client.get(path_of(model), {"q": word}).status_code == 200


@pytest.mark.parametrize("found", ["organization", "actor", "both"])
def test_the_trail_is_searched_by_whole_ids(browser: Browser, organization: Organization, found: str) -> None:
    actor = f"user:{uuid.uuid4()}"
    entry = add_entry(organization, actor=actor)
    add_entry(factories.make_organization(), actor="user:other")
    words = {"organization": organization.id, "actor": actor, "both": f"{organization.id} {actor}"}

    answer = browser.open(f"/admin/audit/entry/?q={words[found]}")
    half = browser.open(f"/admin/audit/entry/?q={actor[:-4]}")

    assert entry in answer.content.decode()
    assert "user:other" not in answer.content.decode()
    assert entry not in half.content.decode()


def test_the_trail_can_be_narrowed_to_what_is_new(browser: Browser, organization: Organization) -> None:
    old = add_entry(organization)

    answers = [
        browser.open(f"/admin/audit/entry/?q={organization.id}{since}").content.decode()
        for since in ("", "&since=day", "&since=never")
    ]

    assert [old in content for content in answers] == [True, False, True]


def test_the_trail_is_counted_no_further_than_pages_are_turned(browser: Browser) -> None:
    with statements() as sent:
        browser.open("/admin/audit/entry/")

    counted = [sql for sql in sent if "COUNT(*)" in sql and '"audit_entry"' in sql]
    assert counted
    assert all("LIMIT 10000" in sql for sql in counted)


@pytest.mark.parametrize(
    "model", [model for model in registered() if model is not Membership], ids=lambda model: model._meta.label
)
def test_nothing_but_a_membership_is_deleted_there(browser: Browser, several: Any, model: type[models.Model]) -> None:
    with tenancy.system():
        row = model._default_manager.order_by("-pk").first()
    assert row is not None

    answer = browser.open(path_of(model, row.pk, "delete"))

    assert answer.status_code == 403


@pytest.mark.parametrize("model", [Entry, Event, Session, Task, Context], ids=lambda model: model._meta.label)
def test_what_agents_made_is_neither_added_nor_changed(
    browser: Browser, several: Any, model: type[models.Model]
) -> None:
    with tenancy.system():
        row = model._default_manager.order_by("-pk").first()
    assert row is not None
    token = browser.client.cookies["csrftoken"].value
    form = {"csrfmiddlewaretoken": token, "name": "Changed", "actor": "nobody"}

    answers = [browser.client.post(path_of(model, *rest), form) for rest in (["add"], [row.pk, "change"])]

    assert [answer.status_code for answer in answers] == [403, 403]


def test_neither_digest_nor_key_is_shown(browser: Browser, organization: Organization) -> None:
    minted = factories.make_key(organization)

    pages = [browser.open(f"/admin/orgs/apikey/{rest}").content.decode() for rest in ("", f"{minted.row.id}/change/")]

    digest = keys.digest(minted.text)
    assert all(minted.row.key_id in page for page in pages)
    for secret in (minted.text.split("_")[2], digest.hex(), str(digest), "Digest"):
        assert all(secret not in page for page in pages)


def test_no_part_of_a_password_hash_is_shown(browser: Browser, operator: User) -> None:
    [(stored,)] = system_rows("SELECT password FROM accounts_user WHERE id = %s", operator.id)
    _, salt, digest = stored.split("$")

    page = browser.open(f"/admin/accounts/user/{operator.id}/change/").content.decode()

    assert "Reset password" in page
    assert [part for part in (salt[:6], digest[:6]) if part in page] == []


def test_a_user_without_a_password_is_shown_as_such(browser: Browser) -> None:
    user = factories.make_user()

    page = browser.open(f"/admin/accounts/user/{user.id}/change/").content.decode()

    assert "Not set." in page
    assert "Set password" in page


def test_revoking_a_key_works_and_is_audited(browser: Browser, operator: User, organization: Organization) -> None:
    minted, name = factories.make_key(organization), uuid.uuid4().hex
    caller = Caller(minted.text)
    before = caller.get("/me").status

    answer = revoke(browser, minted.row, name)

    assert (before, answer.status_code) == (200, 302)
    assert caller.get("/me").code == "api-key-revoked"
    assert entries_of(name) == [("api-key.revoked", f"operator:{operator.id}", str(minted.row.id), "success")]
    assert [(event["generation"], event["type"]) for event in events_of(minted.row.id)] == [
        (1, "api-key.created"),
        (2, "api-key.revoked"),
    ]


def test_keys_of_several_organizations_are_revoked_at_once(browser: Browser) -> None:
    keys_of = [factories.make_key(factories.make_organization()).row for _ in range(2)]

    answer = browser.send(
        "/admin/orgs/apikey/", {"action": "revoke", "_selected_action": [str(key.id) for key in keys_of]}
    )

    assert "2 keys are revoked." in browser.open(answer.headers["Location"]).content.decode()
    with tenancy.system():
        assert not APIKey.objects.filter(revoked_at=None, id__in=[key.id for key in keys_of]).exists()


@pytest.mark.parametrize(
    ("action", "count", "said"),
    [
        ("unlock", 1, "1 user needs to wait no more."),
        ("unlock", 2, "2 users need to wait no more."),
        ("reset_totp", 2, "There is no two-step sign-in to take away."),
    ],
)
def test_the_console_counts_in_words_that_fit(browser: Browser, action: str, count: int, said: str) -> None:
    chosen = [str(factories.make_user().id) for _ in range(count)]

    browser.send("/admin/accounts/user/", {"action": action, "_selected_action": chosen})

    assert said in browser.open("/admin/accounts/user/").content.decode()


def test_one_key_that_is_revoked_is_one(browser: Browser, organization: Organization) -> None:
    key = factories.make_key(organization).row

    browser.send("/admin/orgs/apikey/", {"action": "revoke", "_selected_action": [str(key.id)]})

    assert "1 key is revoked." in browser.open("/admin/orgs/apikey/").content.decode()


def test_each_organization_that_stays_is_named(browser: Browser, organization: Organization) -> None:
    path = "/admin/orgs/organization/"

    browser.send(path, {"action": "cancel_deletion", "_selected_action": [str(organization.id)]})

    assert f"The organization {organization.name} will stay." in browser.open(path).content.decode()


def test_an_operator_who_may_only_look_cannot_revoke(quick_passwords: None, organization: Organization) -> None:
    onlooker, minted, name = make_person(operator=True), factories.make_key(organization), uuid.uuid4().hex
    with tenancy.system():
        onlooker.is_superuser = False
        onlooker.save(update_fields=["is_superuser"])
        rows(
            "INSERT INTO accounts_user_user_permissions (user_id, permission_id)"
            " SELECT %s, id FROM auth_permission WHERE codename = 'view_apikey'",
            onlooker.id,
        )
    browser = Browser()
    browser.sign_in(onlooker)

    listed = browser.open("/admin/orgs/apikey/")
    token = browser.client.cookies["csrftoken"].value
    form = {"csrfmiddlewaretoken": token, "action": "revoke", "_selected_action": str(minted.row.id)}
    browser.client.post("/admin/orgs/apikey/", form, headers={"X-Request-Id": name})

    assert listed.status_code == 200
    assert Caller(minted.text).get("/me").status == 200
    assert entries_of(name) == []


def revoke(browser: Browser, row: APIKey, request_id: str) -> Any:
    form = {"action": "revoke", "_selected_action": str(row.id)}
    return browser.send("/admin/orgs/apikey/", form, X_Request_Id=request_id)


def test_adding_a_user_works_and_is_audited(browser: Browser, operator: User) -> None:
    email, name = f"New-{uuid.uuid4().hex}@example.com", uuid.uuid4().hex
    form = {"email": email, "password1": PASSWORD, "password2": PASSWORD}

    answer = browser.send("/admin/accounts/user/add/", form, X_Request_Id=name)

    assert answer.status_code == 302
    with tenancy.system():
        user = User.objects.get_by_natural_key(email)
    assert user.check_password(PASSWORD)
    assert entries_of(name) == [("user.created", f"operator:{operator.id}", str(user.id), "success")]


def test_changing_a_user_works_and_is_audited_by_field(browser: Browser, operator: User) -> None:
    user, name = factories.make_user(), uuid.uuid4().hex
    form = {"email": user.email, "display_name": "Ada Lovelace", "is_active": "on", "is_staff": "on"}

    answer = browser.send(f"/admin/accounts/user/{user.id}/change/", form, X_Request_Id=name)

    assert answer.status_code == 302
    assert entries_of(name) == [("admin.changed", f"operator:{operator.id}", str(user.id), "success")]
    [(detail,)] = system_rows("SELECT detail::text FROM audit_entry WHERE request_id = %s", name)
    assert "Display name" in detail
    assert "Ada Lovelace" not in detail


def test_setting_a_password_works_and_is_audited_without_it(browser: Browser, operator: User) -> None:
    user, name, password = factories.make_user(), uuid.uuid4().hex, "another horse battery staple"
    form = {"password1": password, "password2": password, "usable_password": "true"}

    answer = browser.send(f"/admin/accounts/user/{user.id}/password/", form, X_Request_Id=name)

    assert answer.status_code == 302
    with tenancy.system():
        user.refresh_from_db()
    assert user.check_password(password)
    assert entries_of(name) == [("user.password-changed", f"operator:{operator.id}", str(user.id), "success")]
    assert (
        system_rows("SELECT 1 FROM audit_entry WHERE request_id = %s AND detail::text LIKE %s", name, f"%{password}%")
        == []
    )


def test_a_taken_address_is_an_error_of_the_form(browser: Browser) -> None:
    taken, name = factories.make_user(), uuid.uuid4().hex
    form = {"email": taken.email.upper(), "password1": PASSWORD, "password2": PASSWORD}

    answer = browser.send("/admin/accounts/user/add/", form, X_Request_Id=name)

    assert answer.status_code == 200
    assert b"A user with this e-mail address exists." in answer.content
    assert entries_of(name) == []


def test_two_users_may_be_left_without_an_external_id(browser: Browser) -> None:
    users = [factories.make_user() for _ in range(2)]

    answers = [
        browser.send(f"/admin/accounts/user/{user.id}/change/", {"email": user.email, "external_id": ""})
        for user in users
    ]

    assert [answer.status_code for answer in answers] == [302, 302]


def test_work_that_fails_half_way_is_taken_back(browser: Browser) -> None:
    """The second key cannot be revoked: then the first is not either."""
    keys_of = [factories.make_key(factories.make_organization()).row for _ in range(2)]
    revoked: list[str] = []

    def fail(execute: Any, sql: str, params: Any, many: bool, context: Any) -> Any:
        if sql.startswith('UPDATE "orgs_apikey"'):
            revoked.append(sql)
            if len(revoked) == 2:
                raise RuntimeError
        return execute(sql, params, many, context)

    browser.client.raise_request_exception = False
    form = {"action": "revoke", "_selected_action": [str(key.id) for key in keys_of]}
    with connection.execute_wrapper(fail):
        answer = browser.send("/admin/orgs/apikey/", form)

    assert (answer.status_code, len(revoked)) == (500, 2)
    with tenancy.system():
        assert APIKey.objects.filter(revoked_at=None, id__in=[key.id for key in keys_of]).count() == 2


@pytest.mark.parametrize(("status", "kept"), [(200, True), (302, True), (403, True), (500, False)])
def test_what_a_view_wrote_stays_unless_it_failed(organization: Organization, status: int, kept: bool) -> None:
    def view(request: HttpRequest) -> HttpResponse:
        rows("UPDATE orgs_organization SET name = 'Written' WHERE id = %s", organization.id)
        return HttpResponse(status=status)

    OperatorMiddleware(view)(RequestFactory().get("/admin/"))

    [(name,)] = system_rows("SELECT name FROM orgs_organization WHERE id = %s", organization.id)
    assert (name == "Written") == kept


def test_the_list_of_keys_takes_a_fixed_number_of_statements(browser: Browser, organization: Organization) -> None:
    def cost() -> int:
        with statements() as sent:
            assert browser.open("/admin/orgs/apikey/").status_code == 200
        return len(sent)

    before = cost()
    for _ in range(5):
        other = factories.make_organization()
        factories.make_key(other, agent=factories.make_agent(other))

    assert cost() == before
