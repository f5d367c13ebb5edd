"""POST, GET and DELETE /invitations, and their resending: what an inviter does."""

import uuid
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from pytest_django import Settings

from orgs import keys, tenancy
from orgs.models import Organization, Role
from orgs.services.invitations import MOST_PENDING
from tests import factories
from tests.factories import Answer, Caller
from tests.orgs.invitations import TOKEN, accept, change, invite, look_up, make_rows, new_email, row_of
from tests.orgs.organization_erasing import close
from tests.orgs.places import key_of
from tests.statements import at_once, audit_of, events_of, rows, system_rows

pytestmark = pytest.mark.usefixtures("quick_passwords")


@pytest.fixture
def admin(organization: Organization) -> Caller:
    return key_of(organization, factories.make_member(organization, Role.ADMIN))


def test_an_invitation_is_made_with_a_link_that_holds_its_token(admin: Caller) -> None:
    email = new_email()

    answer = admin.post("/invitations", {"email": email, "role": "member"})

    made = answer.json
    assert (answer.status, answer.headers["ETag"]) == (201, '"1"')
    assert answer.headers["Location"] == f"/api/v1/invitations/{made['id']}"
    assert TOKEN.fullmatch(made["token"])
    assert made["link"].endswith(f"/invitation#{made['token']}")
    assert (made["email"], made["role"], made["status"], made["sent_count"]) == (email, "member", "pending", 1)


def test_an_invitation_expires_in_a_week_unless_it_is_said_otherwise(admin: Caller) -> None:
    week, hour = invite(admin), invite(admin, expires_in_hours=1)

    lives = [datetime.fromisoformat(made["expires_at"]) - datetime.now(UTC) for made in (week, hour)]

    assert timedelta(days=6.9) < lives[0] <= timedelta(days=7)
    assert timedelta(minutes=55) < lives[1] <= timedelta(hours=1)


@pytest.mark.parametrize("hours", [0, -1, 721])
def test_an_invitation_lives_for_at_most_30_days(admin: Caller, hours: int) -> None:
    answer = admin.post("/invitations", {"email": new_email(), "role": "member", "expires_in_hours": hours})

    assert (answer.status, answer.code) == (422, "invalid")


def test_only_a_digest_of_the_token_is_kept(admin: Caller, organization: Organization) -> None:
    made = invite(admin)
    secret = made["token"].split("_")[2]

    [(row,)] = system_rows("SELECT i::text FROM orgs_invitation i WHERE id = %s", made["id"])
    kept = system_rows("SELECT e::text FROM audit_entry e WHERE organization_id = %s", organization.id)
    kept += system_rows("SELECT e::text FROM events_event e WHERE organization_id = %s", organization.id)

    assert bytes(row_of(made).digest) == keys.digest(made["token"])
    assert secret not in row
    assert [text for (text,) in kept if secret in text or made["email"] in text] == []


@pytest.mark.parametrize("path", ["", "/{id}"])
def test_the_token_is_shown_once(admin: Caller, path: str) -> None:
    made = invite(admin)

    answer = admin.get(f"/invitations{path.format(**made)}")

    assert answer.status == 200
    assert made["token"].split("_")[2] not in answer.raw.decode()
    assert made["token"].split("_")[1] not in answer.raw.decode()


def test_inviting_is_audited_and_becomes_an_event(admin: Caller, organization: Organization) -> None:
    made = invite(admin, role="admin")

    assert [(event["type"], event["facts"]) for event in events_of(made["id"])] == [
        ("invitation.created", {"role": "admin"})
    ]
    entry = audit_of(organization)[-1]
    assert (entry["action"], entry["subject_id"], entry["detail"]) == (
        "invitation.created",
        made["id"],
        {"role": "admin"},
    )


def test_an_admin_invites_no_owner(admin: Caller) -> None:
    answer = admin.post("/invitations", {"email": new_email(), "role": "owner"})

    assert (answer.status, answer.code) == (403, "scope-missing")
    assert admin.get("/invitations").json["items"] == []


def test_an_owner_invites_another(founder: Caller) -> None:
    assert invite(founder, role="owner")["role"] == "owner"


def test_an_admin_gets_no_link_to_an_owners_place_by_resending_it(admin: Caller, founder: Caller) -> None:
    made = invite(founder, role="owner")

    answer = admin.post(f"/invitations/{made['id']}/resend", {})

    assert (answer.status, answer.code) == (403, "scope-missing")
    assert look_up(made["token"]).status == 200


def test_a_member_is_not_invited_again(admin: Caller, organization: Organization) -> None:
    user = factories.make_member(organization)

    answer = admin.post("/invitations", {"email": user.email.upper(), "role": "admin"})

    assert (answer.status, answer.code) == (409, "already-member")


def test_an_address_has_one_open_invitation_whatever_its_case(admin: Caller) -> None:
    made = invite(admin)

    answer = admin.post("/invitations", {"email": made["email"].swapcase(), "role": "member"})

    assert (answer.status, answer.code) == (409, "invitation-exists")


@pytest.mark.parametrize("end", ["revoked", "expired", "accepted-and-left"])
def test_an_address_is_invited_again_once_the_first_invitation_is_over(admin: Caller, end: str) -> None:
    made = invite(admin)
    if end == "revoked":
        admin.delete(f"/invitations/{made['id']}")
    elif end == "expired":
        change(made, expires_at=datetime.now(UTC))
    else:
        Caller(accept(made).json["api_key"]["key"]).delete("/me/membership")

    again = invite(admin, email=made["email"])

    assert look_up(again["token"]).status == 200
    assert look_up(made["token"]).code == f"invitation-{'used' if end == 'accepted-and-left' else 'revoked'}"


def test_of_two_who_invite_one_address_at_once_exactly_one_does(admin: Caller) -> None:
    body = {"email": new_email(), "role": "member"}

    answers: list[Any] = at_once(*[lambda: admin.post("/invitations", body)] * 2)

    assert sorted(answer.status for answer in answers) == [201, 409]


def test_two_organizations_invite_one_address(admin: Caller, outsider: Caller) -> None:
    made = invite(admin)

    assert invite(outsider, email=made["email"])["status"] == "pending"


def test_an_organization_has_so_many_pending_invitations_and_no_more(admin: Caller, organization: Organization) -> None:
    make_rows(organization, MOST_PENDING - 1, expires_at=datetime.now(UTC) + timedelta(days=1))
    make_rows(organization, 1, expires_at=datetime.now(UTC))
    last = invite(admin)

    answer = admin.post("/invitations", {"email": new_email(), "role": "member"})

    assert (answer.status, answer.code) == (409, "too-many-invitations")
    assert admin.post(f"/invitations/{last['id']}/resend", {}).status == 200


def test_resending_gives_a_new_link_and_kills_the_old_one(admin: Caller, organization: Organization) -> None:
    made = invite(admin, expires_in_hours=1)

    answer = admin.post(f"/invitations/{made['id']}/resend", {"expires_in_hours": 48}, If_Match='"1"')

    sent = answer.json
    assert (answer.status, answer.headers["ETag"], sent["sent_count"]) == (200, '"2"', 2)
    assert (look_up(made["token"]).code, look_up(sent["token"]).status) == ("not-found", 200)
    assert sent["expires_at"] > made["expires_at"]
    assert events_of(made["id"])[-1]["type"] == audit_of(organization)[-1]["action"] == "invitation.resent"


def life_of(sent: dict[str, Any]) -> timedelta:
    return datetime.fromisoformat(sent["expires_at"]) - datetime.fromisoformat(sent["last_sent_at"])


@pytest.mark.parametrize("body", [None, {}])
def test_a_resent_invitation_lives_as_long_as_it_was_made_for(admin: Caller, body: Any) -> None:
    made, now = invite(admin, expires_in_hours=48), datetime.now(UTC)
    change(made, last_sent_at=now - timedelta(hours=40), expires_at=now + timedelta(hours=8))

    answer = admin.post(f"/invitations/{made['id']}/resend", body)

    assert (answer.status, round(life_of(answer.json) / timedelta(hours=1))) == (200, 48)
    ends = datetime.fromisoformat(answer.json["expires_at"])
    assert abs(ends - datetime.now(UTC) - timedelta(hours=48)) < timedelta(seconds=10)


def test_an_expired_invitation_is_resent(admin: Caller) -> None:
    made, now = invite(admin), datetime.now(UTC)
    change(made, last_sent_at=now - timedelta(days=7), expires_at=now)

    sent = admin.post(f"/invitations/{made['id']}/resend", {}).json

    assert (sent["status"], look_up(sent["token"]).status) == ("pending", 200)


@pytest.mark.parametrize(("end", "code"), [("accept", "invitation-used"), ("revoke", "invitation-revoked")])
def test_what_is_over_is_not_resent(admin: Caller, end: str, code: str) -> None:
    made = invite(admin)
    accept(made) if end == "accept" else admin.delete(f"/invitations/{made['id']}")

    answer = admin.post(f"/invitations/{made['id']}/resend", {})

    assert (answer.status, answer.code) == (410, code)


def test_a_revoked_invitation_works_no_more(admin: Caller, organization: Organization) -> None:
    made = invite(admin)

    answer = admin.delete(f"/invitations/{made['id']}", If_Match='"1"')

    assert (answer.status, admin.get(f"/invitations/{made['id']}").json["status"]) == (204, "revoked")
    refused = accept(made)
    assert (refused.status, refused.code) == (410, "invitation-revoked")
    assert events_of(made["id"])[-1]["type"] == audit_of(organization)[-1]["action"] == "invitation.revoked"


def test_revoking_again_changes_nothing(admin: Caller) -> None:
    made = invite(admin)
    admin.delete(f"/invitations/{made['id']}")

    answer = admin.delete(f"/invitations/{made['id']}")

    assert (answer.status, len(events_of(made["id"]))) == (204, 2)


def test_an_accepted_invitation_is_not_revoked(admin: Caller) -> None:
    made = invite(admin)
    accept(made)

    answer = admin.delete(f"/invitations/{made['id']}")

    assert (answer.status, answer.code) == (410, "invitation-used")


@pytest.mark.parametrize("status", ["pending", "accepted", "revoked", "expired"])
def test_invitations_are_listed_by_status(admin: Caller, status: str) -> None:
    made = {name: invite(admin) for name in ("pending", "accepted", "revoked", "expired")}
    accept(made["accepted"])
    admin.delete(f"/invitations/{made['revoked']['id']}")
    change(made["expired"], expires_at=datetime.now(UTC))

    listed = admin.get(f"/invitations?status={status}").json["items"]

    assert [(row["id"], row["status"]) for row in listed] == [(made[status]["id"], status)]


@pytest.mark.parametrize("hosts", [["testserver"], ["*"], ["holdfast.example"]])
def test_a_link_names_the_host_of_the_call_only_where_it_is_ours_by_name(
    admin: Caller, settings: Settings, hosts: list[str]
) -> None:
    settings.ALLOWED_HOSTS = hosts

    link = invite(admin)["link"]

    assert link.startswith("http://testserver/invitation#" if hosts == ["testserver"] else "/invitation#")


def test_a_link_begins_with_the_public_address(admin: Caller, settings: Settings) -> None:
    settings.PUBLIC_URL = "https://holdfast.example"

    answer = admin.post("/invitations", {"email": new_email(), "role": "member"}, Host="evil.example")

    assert answer.json["link"].startswith("https://holdfast.example/invitation#hfi_")


def test_another_organizations_invitations_are_behind_the_fence(admin: Caller, outsider: Caller) -> None:
    made = invite(admin)
    theirs = uuid.UUID(outsider.get("/me").json["organization"]["id"])

    with tenancy.organization(theirs):
        seen = rows("SELECT 1 FROM orgs_invitation WHERE id = %s", made["id"])

    assert seen == []


def test_an_idempotent_call_shows_the_same_link_again(admin: Caller) -> None:
    body = {"email": new_email(), "role": "member"}

    answers: list[Answer] = [admin.post("/invitations", body, Idempotency_Key="once") for _ in range(2)]

    assert answers[0].json == answers[1].json


@pytest.mark.parametrize("path", ["look-up", "accept"])
def test_nobody_is_invited_any_more_to_what_is_being_erased(
    admin: Caller, organization: Organization, path: str
) -> None:
    made = invite(admin)
    close(organization)

    answer = Caller("").post(f"/invitations/{path}", {"token": made["token"]}, Authorization="")

    assert (answer.status, answer.code) == (404, "not-found")


def test_a_key_that_is_believed_yet_invites_nobody_to_what_is_being_erased(
    admin: Caller, organization: Organization
) -> None:
    close(organization)

    answer = admin.post("/invitations", {"email": new_email(), "role": "member"})

    assert answer.status in (401, 404)
    assert system_rows("SELECT FROM orgs_invitation WHERE organization_id = %s", organization.id) == []
