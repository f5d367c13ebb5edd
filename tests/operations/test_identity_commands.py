"""createorganization, createapikey and createsuperuser: what an operator makes from the command line."""

import io
import threading
import uuid
from datetime import UTC, datetime, timedelta

import pytest
from django.core.management import CommandError, call_command

from accounts.models import User
from orgs import tenancy
from orgs.models import APIKey, Membership, Organization
from tests import factories
from tests.factories import Caller
from tests.statements import at_once, audit_of, events_of, system_rows, wait_until_someone_waits


def run(*words: str) -> str:
    written = io.StringIO()
    call_command(*words, stdout=written)
    return written.getvalue().strip()


def new_slug() -> str:
    return f"made-{uuid.uuid4().hex[:20]}"


def test_createorganization_makes_one_that_the_user_owns() -> None:
    owner, slug = factories.make_user(), new_slug()

    said = run("createorganization", slug, "--name", "Made", "--owner-email", owner.email.upper())

    with tenancy.system():
        made = Organization.objects.get(slug=slug)
        membership = Membership.objects.get(organization=made)
    assert (made.name, membership.user_id, membership.role) == ("Made", owner.id, "owner")
    assert slug in said
    assert owner.email in said


def test_createorganization_is_audited_and_becomes_an_event() -> None:
    slug = new_slug()

    run("createorganization", slug, "--owner-email", factories.make_user().email)

    with tenancy.system():
        made = Organization.objects.get(slug=slug)
    assert [(entry["action"], entry["actor"]) for entry in audit_of(made)] == [
        ("organization.created", "operator:shell"),
        ("membership.created", "operator:shell"),
    ]
    assert [event["type"] for event in events_of(made.id)] == ["organization.created"]


def test_createorganization_refuses_a_taken_slug(organization: Organization) -> None:
    with pytest.raises(CommandError, match="An organization with this slug exists"):
        run("createorganization", organization.slug, "--owner-email", factories.make_user().email)


def test_createorganization_refuses_an_unknown_address() -> None:
    with pytest.raises(CommandError, match=r"There is no user 'nobody@example\.com'"):
        run("createorganization", new_slug(), "--owner-email", "nobody@example.com")


@pytest.mark.parametrize("slug", ["No Slug", "-a", "a" * 64, "", "abc\n"])
def test_createorganization_refuses_what_is_no_slug(slug: str) -> None:
    with pytest.raises(CommandError, match=r"Use 1 to 63 lower-case|at most 63|blank"):
        run("createorganization", "--name", "Made", "--owner-email", factories.make_user().email, "--", slug)


def test_createorganization_refuses_a_long_name() -> None:
    with pytest.raises(CommandError, match="200"):
        run("createorganization", new_slug(), "--name", "n" * 201, "--owner-email", factories.make_user().email)


def test_createapikey_prints_a_key_that_works(organization: Organization) -> None:
    key = run("createapikey", organization.slug, "--scope", "orgs:read")

    me = Caller(key).get("/me").json
    assert (me["actor_type"], me["scopes"]) == ("api-key", ["orgs:read"])


def test_createapikey_makes_one_that_acts_as_an_agent(organization: Organization) -> None:
    agent = factories.make_agent(organization)

    me = Caller(run("createapikey", organization.slug, "--agent", agent.slug)).get("/me").json

    assert (me["actor_type"], me["actor_id"]) == ("agent", str(agent.id))


def test_createapikey_makes_one_that_acts_as_a_member_and_expires(organization: Organization) -> None:
    user, before = factories.make_member(organization), datetime.now(UTC)

    key = run("createapikey", organization.slug, "--user", user.email, "--expires-in-days", "2")

    assert Caller(key).get("/me").json["actor_id"] == str(user.id)
    with tenancy.system():
        row = APIKey.objects.get(organization=organization)
    assert row.expires_at is not None
    assert before + timedelta(days=2) <= row.expires_at <= datetime.now(UTC) + timedelta(days=2)


@pytest.mark.parametrize(
    ("words", "reason"),
    [
        (["--agent", "nobody"], "no agent"),
        (["--user", "nobody@example.com"], "no user"),
        (["--expires-in-days", "0"], "1 to 3650"),
        (["--name", "n" * 201], "1 to 200"),
        (["--scope", "everything"], "invalid choice"),
        (["--environment", "moon"], "invalid choice"),
    ],
    ids=str,
)
def test_createapikey_refuses_what_it_cannot_make(organization: Organization, words: list[str], reason: str) -> None:
    with pytest.raises(CommandError, match=reason):
        run("createapikey", organization.slug, *words)


def test_createapikey_refuses_someone_of_another_organization(organization: Organization) -> None:
    stranger = factories.make_member(factories.make_organization())

    with pytest.raises(CommandError, match="not a member"):
        run("createapikey", organization.slug, "--user", stranger.email)


def test_createapikey_refuses_an_unknown_organization() -> None:
    with pytest.raises(CommandError, match="no organization 'nothing-here'"):
        run("createapikey", "nothing-here")


def test_createapikey_makes_one_for_an_environment(organization: Organization) -> None:
    key = run("createapikey", organization.slug, "--environment", "staging")

    assert key.startswith("hfs_")
    assert Caller(key).get("/me").json["environment"] == "staging"


def test_createapikey_keeps_to_the_organizations_policy(organization: Organization) -> None:
    system_rows("UPDATE orgs_organization SET key_max_days = 30 WHERE id = %s", organization.id)

    with pytest.raises(CommandError, match="at most 30 days"):
        run("createapikey", organization.slug, "--expires-in-days", "31")


@pytest.fixture
def email(monkeypatch: pytest.MonkeyPatch) -> str:
    """An address that nobody has yet, and the environment from which createsuperuser takes a password."""
    monkeypatch.setenv("DJANGO_SUPERUSER_PASSWORD", "correct horse battery staple")
    return f"{uuid.uuid4().hex}@example.com"


def test_createsuperuser_makes_an_operator(email: str) -> None:
    run("createsuperuser", "--email", email, "--no-input")

    with tenancy.system():
        made = User.objects.get_by_natural_key(email)
    powers = (made.is_staff, made.is_superuser, made.check_password("correct horse battery staple"))
    assert powers == (True, True, True)


def test_createsuperuser_is_audited(email: str) -> None:
    run("createsuperuser", "--email", email, "--no-input")

    with tenancy.system():
        made = User.objects.get_by_natural_key(email)
    entries = system_rows("SELECT action, actor FROM audit_entry WHERE subject_id = %s", str(made.id))
    assert entries == [("user.created", "operator:shell")]


def test_createsuperuser_refuses_a_taken_address_whatever_its_case(email: str) -> None:
    factories.make_user(email=email)

    with pytest.raises(CommandError, match=r"^A user with this e-mail address exists\.$"):
        run("createsuperuser", "--email", email.upper(), "--no-input")


def test_createsuperuser_refuses_an_address_that_is_taken_while_it_runs(email: str) -> None:
    held = threading.Event()

    def take() -> None:
        with tenancy.system():
            User.objects.create_user(email, None)
            held.set()
            wait_until_someone_waits()

    def make() -> str:
        assert held.wait(10)
        return run("createsuperuser", "--email", email, "--no-input")

    _, refused = at_once(take, make)

    assert isinstance(refused, CommandError)
    assert str(refused) == "A user with this e-mail address exists."


def test_createsuperuser_asks_again_for_a_taken_address(
    email: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    taken = factories.make_user().email
    answers = iter([taken, email])
    monkeypatch.setattr("builtins.input", lambda prompt: next(answers))
    monkeypatch.setattr("getpass.getpass", lambda prompt="": "correct horse battery staple")

    call_command("createsuperuser", stdin=None)

    with tenancy.system():
        assert User.objects.get_by_natural_key(email).is_superuser
    assert "A user with this e-mail address exists." in capsys.readouterr().err


@pytest.mark.parametrize(
    ("password", "reason"), [("short4u", "too short"), ("x7" * 129, "too long"), ("918273645546372819", "numeric")]
)
def test_createsuperuser_refuses_a_weak_password_of_the_environment(
    email: str, monkeypatch: pytest.MonkeyPatch, password: str, reason: str
) -> None:
    monkeypatch.setenv("DJANGO_SUPERUSER_PASSWORD", password)

    with pytest.raises(CommandError, match=reason):
        run("createsuperuser", "--email", email, "--no-input")

    with tenancy.system():
        assert not User.objects.with_email(email).exists()


def test_createsuperuser_refuses_a_weak_password_also_on_demand(email: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Django asks whether to bypass the rules."""
    answers = iter([email, "y"])
    monkeypatch.setattr("builtins.input", lambda prompt: next(answers))
    monkeypatch.setattr("getpass.getpass", lambda prompt="": "short4u")

    with pytest.raises(CommandError, match="too short"):
        call_command("createsuperuser", stdin=None)
