"""POST /invitations/look-up and /accept: what whoever holds the link does."""

import uuid
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime
from typing import Any

import pytest

from accounts.models import User
from orgs import keys, tenancy
from orgs.models import Invitation, Organization, Role
from orgs.permissions import ROLE_SCOPES, including
from tests import factories
from tests.factories import Caller
from tests.orgs.console import PASSWORD
from tests.orgs.invitations import accept, change, invite, look_up, make_person, new_email, row_of
from tests.orgs.places import key_of, place_of
from tests.statements import at_once, audit_of, elsewhere, events_of, statements, system_rows, wait_until_someone_waits

pytestmark = pytest.mark.usefixtures("quick_passwords")


def users_of(email: str) -> int:
    with tenancy.system():
        return User.objects.with_email(email).count()


def key_elsewhere(user: User) -> Caller:
    """A key of the user in an organization of their own."""
    return key_of(factories.make_organization(user), user)


def test_a_token_is_looked_up(founder: Caller, organization: Organization) -> None:
    made = invite(founder, role="admin")

    answer = look_up(made["token"])

    assert (answer.status, answer.json) == (
        200,
        {
            "organization_name": organization.name,
            "email": made["email"],
            "role": "admin",
            "expires_at": made["expires_at"],
        },
    )


def test_a_newcomer_gets_an_account_a_place_and_a_key(founder: Caller, organization: Organization) -> None:
    made = invite(founder)
    body = {"token": made["token"], "display_name": " Ada ", "password": PASSWORD}

    answer = Caller("").post("/invitations/accept", body, Authorization="")

    assert answer.status == 201
    user = answer.json["user"]
    assert (user["email"], user["display_name"]) == (made["email"], "Ada")
    assert answer.json["organization"]["id"] == str(organization.id)
    assert (answer.json["membership"]["user"], answer.json["membership"]["role"]) == (user, "member")
    with tenancy.system():
        assert User.objects.get(id=user["id"]).check_password(PASSWORD)


@pytest.mark.parametrize("role", Role)
def test_the_first_key_acts_as_the_user_with_what_the_role_may(founder: Caller, role: Role) -> None:
    accepted = accept(invite(founder, role=role)).json

    me = Caller(accepted["api_key"]["key"]).get("/me").json

    assert (me["actor_type"], me["actor_id"], me["role"]) == ("user", accepted["user"]["id"], role)
    assert me["scopes"] == sorted(including(ROLE_SCOPES[role]))


def test_accepting_is_audited_and_becomes_an_event(founder: Caller, organization: Organization) -> None:
    made = invite(founder)

    accepted = accept(made).json

    actor = f"user:{accepted['user']['id']}"
    entries = [(entry["action"], entry["actor"]) for entry in audit_of(organization)][-3:]
    assert entries == [("membership.created", actor), ("invitation.accepted", actor), ("api-key.created", actor)]
    assert [(event["generation"], event["type"]) for event in events_of(made["id"])] == [
        (1, "invitation.created"),
        (2, "invitation.accepted"),
    ]
    shown = founder.get(f"/invitations/{made['id']}").json
    assert (shown["status"], shown["accepted_by_id"]) == ("accepted", accepted["user"]["id"])


def test_a_user_of_this_address_proves_it_by_their_password(founder: Caller) -> None:
    user = make_person(new_email())
    made = invite(founder, email=user.email.upper())

    accepted = accept(made)

    assert (accepted.status, accepted.json["user"]["id"]) == (201, str(user.id))
    assert users_of(user.email) == 1


def test_a_user_of_this_address_proves_it_by_a_key(founder: Caller) -> None:
    user = factories.make_user(email=new_email())
    made = invite(founder, email=user.email)

    accepted = key_elsewhere(user).post("/invitations/accept", {"token": made["token"]})

    assert (accepted.status, accepted.json["user"]["id"]) == (201, str(user.id))


def test_the_key_of_another_user_is_refused(founder: Caller) -> None:
    made = invite(founder)
    other = key_elsewhere(factories.make_user())

    answer = other.post("/invitations/accept", {"token": made["token"]})

    assert (answer.status, answer.code) == (403, "invitation-for-another")
    assert row_of(made).accepted_at is None


@pytest.mark.parametrize("kind", ["founder", "outsider"])
def test_a_password_goes_before_the_key_of_someone_else(
    request: pytest.FixtureRequest, founder: Caller, kind: str
) -> None:
    made, caller = invite(founder), request.getfixturevalue(kind)

    answer = caller.post("/invitations/accept", {"token": made["token"], "password": PASSWORD})

    assert (answer.status, answer.json["user"]["email"]) == (201, made["email"])


def test_a_key_that_is_not_known_is_refused(founder: Caller) -> None:
    made = invite(founder)

    answer = Caller(keys.generate().text).post("/invitations/accept", {"token": made["token"], "password": PASSWORD})

    assert (answer.status, answer.code) == (401, "unauthenticated")


def test_a_key_revoked_elsewhere_takes_no_place_while_it_is_believed(founder: Caller) -> None:
    user = factories.make_user(email=new_email())
    made, caller = invite(founder, email=user.email), key_elsewhere(user)
    believed = caller.get("/me").status
    system_rows("UPDATE orgs_apikey SET revoked_at = now() WHERE key_id = %s", caller.key.split("_")[1])

    answer = caller.post("/invitations/accept", {"token": made["token"]})

    assert (believed, answer.status, answer.code) == (200, 401, "api-key-revoked")


@pytest.mark.parametrize("password", [None, "wrong horse battery"])
def test_a_user_without_their_password_is_refused(founder: Caller, password: str | None) -> None:
    user = make_person(new_email())
    made = invite(founder, email=user.email)

    answer = accept(made, password)

    assert (answer.status, answer.code) == (401, "password-wrong")
    assert row_of(made).accepted_at is None


def test_a_deactivated_user_is_refused_as_by_a_wrong_password(founder: Caller) -> None:
    user = make_person(new_email())
    made = invite(founder, email=user.email)
    with tenancy.system():
        User.objects.filter(id=user.id).update(is_active=False)

    answer = accept(made)

    assert (answer.status, answer.code) == (401, "password-wrong")


@pytest.mark.parametrize("password", [None, "short", "123456789012345"])
def test_a_newcomer_chooses_a_strong_password(founder: Caller, password: str | None) -> None:
    made = invite(founder)

    answer = accept(made, password)

    assert (answer.status, answer.code, users_of(made["email"])) == (422, "weak-password", 0)
    assert row_of(made).attempts == 0


def test_an_accepted_invitation_works_no_more(founder: Caller) -> None:
    made = invite(founder)
    accept(made)

    answers = [accept(made), look_up(made["token"])]

    assert [(answer.status, answer.code) for answer in answers] == [(410, "invitation-used")] * 2


def test_an_expired_invitation_works_no_more(founder: Caller) -> None:
    made = invite(founder)
    change(made, expires_at=datetime.now(UTC))

    answers = [accept(made), look_up(made["token"])]

    assert [(answer.status, answer.code) for answer in answers] == [(410, "invitation-expired")] * 2
    assert founder.get(f"/invitations/{made['id']}").json["status"] == "expired"


def test_a_token_that_nobody_made_is_not_found(founder: Caller) -> None:
    made = invite(founder)
    secret = keys.generate(keys.INVITATION_PREFIX).text
    # The id of an invitation with another's secret: only the digest tells.
    body = f"hfi_{made['token'].split('_')[1]}_{secret.split('_')[2][:32]}"
    guessed = body + keys.checksum(body)

    answers = [one for token in (secret, guessed) for one in (look_up(token), accept({"token": token}))]

    assert [(answer.status, answer.code) for answer in answers] == [(404, "not-found")] * 4
    assert row_of(made).attempts == 0


@pytest.mark.parametrize("token", ["", "hfi_", "hf_0123456789AB_" + "a" * 38, "é" * 20])
def test_a_mistyped_token_never_reaches_the_invitations(token: str) -> None:
    with statements() as sent:
        answer = look_up(token)

    assert (answer.status, answer.code) == (404, "not-found")
    assert [sql for sql in sent if "orgs_invitation" in sql] == []


def test_who_became_a_member_meanwhile_is_told(founder: Caller, organization: Organization) -> None:
    user = make_person(new_email())
    made = invite(founder, email=user.email)
    with tenancy.system():
        user.memberships.create(organization=organization, role=Role.MEMBER, owner_id=user.id)

    answer = accept(made)

    assert (answer.status, answer.code) == (409, "already-member")
    assert row_of(made).accepted_at is None


def test_a_removed_member_may_be_invited_back(founder: Caller, organization: Organization) -> None:
    made = invite(founder)
    user_id = uuid.UUID(accept(made).json["user"]["id"])
    founder.delete(f"/members/{place_of(organization, user_id)}")

    again = accept(invite(founder, email=made["email"], role="admin"))

    assert (again.status, again.json["membership"]["role"]) == (201, "admin")


@pytest.mark.parametrize("known", [True, False], ids=["known", "newcomer"])
def test_of_two_who_accept_at_once_exactly_one_does(founder: Caller, known: bool) -> None:
    made = invite(founder)
    if known:
        make_person(made["email"])

    answers: list[Any] = at_once(*[lambda: accept(made)] * 2)

    assert sorted(answer.status for answer in answers)[0] == 201
    [refused] = [answer for answer in answers if answer.status != 201]
    # A newcomer's second call may find the account that the first has just made.
    assert refused.code in ("invitation-used", "password-wrong")
    assert users_of(made["email"]) == 1
    assert len(system_rows("SELECT 1 FROM orgs_apikey k JOIN accounts_user u ON u.id = k.user_id "
                           "WHERE lower(u.email) = lower(%s)", made["email"])) == 1  # fmt: skip


def test_an_acceptance_waits_for_the_one_before_and_finds_it_used(founder: Caller) -> None:
    made = invite(founder)
    make_person(made["email"])

    with ThreadPoolExecutor(1) as pool, tenancy.system():
        row = Invitation.objects.select_for_update(no_key=True).get(id=made["id"])
        waiting = pool.submit(elsewhere, lambda: accept(made))
        wait_until_someone_waits()
        row.accepted_at = datetime.now(UTC)
        row.save(update_fields=["accepted_at"])
    answer = waiting.result()

    assert (answer.status, answer.code) == (410, "invitation-used")


def test_an_acceptance_waits_for_a_revocation(founder: Caller) -> None:
    made = invite(founder)

    with ThreadPoolExecutor(1) as pool, tenancy.system():
        row = Invitation.objects.select_for_update(no_key=True).get(id=made["id"])
        waiting = pool.submit(elsewhere, lambda: accept(made))
        wait_until_someone_waits()
        row.revoked_at = datetime.now(UTC)
        row.save(update_fields=["revoked_at"])
    answer = waiting.result()

    assert (answer.status, answer.code, users_of(made["email"])) == (410, "invitation-revoked", 0)


def test_a_repeated_acceptance_shows_the_key_again(founder: Caller) -> None:
    made = invite(founder)

    answers = [accept(made, Idempotency_Key="accept-once") for _ in range(2)]

    assert [answer.status for answer in answers] == [201, 201]
    assert answers[0].json == answers[1].json
    assert answers[1].headers["Idempotency-Replayed"] == "true"


def test_what_was_answered_to_a_user_is_replayed_to_nobody_else(founder: Caller) -> None:
    user = factories.make_user(email=new_email())
    made = invite(founder, email=user.email)
    key_elsewhere(user).post("/invitations/accept", {"token": made["token"]}, Idempotency_Key="accept-once")

    answer = accept(made, None, Idempotency_Key="accept-once")

    assert (answer.status, answer.code) == (410, "invitation-used")


def test_the_token_and_the_password_are_in_no_line_of_the_log(
    founder: Caller, caplog: pytest.LogCaptureFixture
) -> None:
    made = invite(founder)
    wrong = "wrong horse battery"
    make_person(made["email"])

    accept(made, wrong)
    accept(made)

    said = "".join(str(vars(record)) for record in caplog.records)
    assert made["token"].split("_")[2] not in said
    assert wrong not in said
    assert PASSWORD not in said
