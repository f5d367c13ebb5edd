"""When a key is believed, when it is refused, and what that costs."""

import subprocess
import sys
import time
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from django.db import connection

from accounts.models import User
from orgs import authentication, functions, keys, tenancy
from orgs.models import APIKey, Membership, Organization, Role
from orgs.permissions import scopes_of_role
from orgs.services import members
from tests import factories
from tests.factories import Caller
from tests.orgs.servers import CHECKOUT, service_environ
from tests.statements import at_once, audit_of, elsewhere, statements, system_rows

# Another process of the service, which knows the key from a first call and is asked again and again.
OTHER_PROCESS = """
import sys, time
import django
django.setup()
from orgs.authentication import KeyRevoked, authenticate_key
authenticate_key(sys.argv[1])
print("warm", flush=True)
started = time.monotonic()
sys.stdin.readline()
while time.monotonic() < started + 30:
    try:
        authenticate_key(sys.argv[1])
    except KeyRevoked:
        print("refused", flush=True)
        break
    time.sleep(0.05)
"""


def change(key: APIKey, **fields: Any) -> None:
    """Change the row as another process would, unseen by this one, and let this one read it again."""
    with tenancy.system():
        APIKey.objects.filter(id=key.id).update(**fields)
    authentication.forget(key.key_id)


def test_a_warm_key_costs_no_statement(owner: Caller) -> None:
    task = factories.submit_task(owner)

    with statements() as sent:
        answer = owner.get(f"/tasks/{task['id']}")

    assert answer.status == 200
    assert len(sent) == 1, sent
    assert "tasks_get" in sent[0]


def test_a_cold_key_costs_one_statement(owner: Caller) -> None:
    task = factories.submit_task(owner)
    authentication.forget(owner.key.split("_")[1])

    with statements() as sent:
        owner.get(f"/tasks/{task['id']}")

    assert [sql.partition("(")[0].split()[-1] for sql in sent] == ["orgs_find_key", "tasks_get"]


def test_an_expired_key_is_refused_and_audited(organization: Organization) -> None:
    key = factories.make_key(organization, expires_at=datetime.now(UTC) - timedelta(seconds=1))

    answer = Caller(key.text).get("/me")

    assert (answer.status, answer.code) == (401, "api-key-expired")
    assert audit_of(organization)[-1]["actor"] == f"api-key:{key.row.id}"


def test_a_warm_key_is_refused_once_it_expires(organization: Organization) -> None:
    minted = factories.make_key(organization)
    principal = authentication.authenticate_key(minted.text)
    known = authentication._known[minted.row.key_id]

    known.expires_at = datetime.now(UTC)

    with pytest.raises(authentication.KeyExpired):
        authentication.authenticate_key(minted.text)
    assert principal.key_id == minted.row.id


def test_the_key_of_a_deactivated_user_is_refused(organization: Organization) -> None:
    user = factories.make_member(organization)
    minted = factories.make_key(organization, user=user)
    before = Caller(minted.text).get("/me")

    with tenancy.system():
        user.is_active = False
        user.save(update_fields=["is_active"])
    authentication.forget(minted.row.key_id)
    after = Caller(minted.text).get("/me")

    assert before.status == 200
    assert (after.status, after.code, after.json["detail"]) == (401, "api-key-revoked", authentication.ORPHANED)


def test_the_key_of_a_user_who_left_the_organization_is_refused(organization: Organization) -> None:
    user = factories.make_member(organization)
    minted = factories.make_key(organization, user=user)
    before = Caller(minted.text).get("/me")

    with tenancy.system():
        Membership.objects.filter(user=user).delete()
    authentication.forget(minted.row.key_id)
    after = Caller(minted.text).get("/me")

    assert before.status == 200
    assert (after.status, after.code, after.json["detail"]) == (401, "api-key-revoked", authentication.ORPHANED)


@pytest.mark.parametrize("how", ["deactivated", "gone"])
def test_a_key_that_a_users_key_made_outlives_the_users_leaving(organization: Organization, how: str) -> None:
    user = factories.make_member(organization, Role.ADMIN)
    own = factories.make_key(organization, user=user)
    made = Caller(own.text).post("/api-keys", {"name": "deployment", "scopes": ["tasks:read"]}).json

    with tenancy.system():
        if how == "gone":
            Membership.objects.filter(user=user).delete()
        else:
            User.objects.filter(id=user.id).update(is_active=False)
    for key_id in (own.row.key_id, made["key_id"]):
        authentication.forget(key_id)

    assert Caller(own.text).get("/me").code == "api-key-revoked"
    assert Caller(made["key"]).get("/tasks").status == 200


def test_a_key_keeps_who_made_it_and_with_which_key(organization: Organization) -> None:
    user = factories.make_member(organization, Role.ADMIN)
    own = factories.make_key(organization, user=user)

    made = Caller(own.text).post("/api-keys", {"name": "deployment", "scopes": ["tasks:read"]}).json

    entry = audit_of(organization)[-1]
    assert made["owner_id"] == str(user.id)
    assert (entry["action"], entry["actor"], entry["subject_id"]) == ("api-key.created", f"user:{user.id}", made["id"])
    assert entry["detail"] == {
        "scopes": ["tasks:read"],
        "environment": "production",
        "made_with": str(own.row.id),
    }


def test_a_membership_elsewhere_does_not_keep_a_key_alive(organization: Organization) -> None:
    stranger = factories.make_member(factories.make_organization())
    minted = factories.make_key(organization, user=stranger)

    assert Caller(minted.text).get("/me").code == "api-key-revoked"


def test_a_wrong_secret_for_a_known_id_is_refused_and_audited(organization: Organization) -> None:
    minted = factories.make_key(organization)
    body = f"hf_{minted.row.key_id}_{'x' * 32}"

    answer = Caller(body + keys.checksum(body)).get("/tasks")

    assert (answer.status, answer.code) == (401, "unauthenticated")
    entry = audit_of(organization)[-1]
    assert (entry["action"], entry["outcome"]) == ("access.refused", "refused")
    assert entry["actor"] == f"api-key:{minted.row.id}"
    assert entry["detail"] == {"method": "GET", "path": "/api/v1/tasks", "reason": "The API key is not known."}


def test_an_unknown_key_leaves_no_row() -> None:
    answer = Caller(keys.generate().text).get("/me", X_Request_Id="unknown-key-leaves-no-row")

    assert (answer.status, answer.code) == (401, "unauthenticated")
    assert system_rows("SELECT * FROM audit_entry WHERE request_id = 'unknown-key-leaves-no-row'") == []


def test_the_first_use_of_a_key_is_noted(organization: Organization) -> None:
    minted = factories.make_key(organization)

    Caller(minted.text).get("/me")

    [(noted,)] = system_rows("SELECT now() - last_used_at < '5 s' FROM orgs_apikey WHERE id = %s", minted.row.id)
    assert noted is True


def test_a_second_use_within_a_minute_is_not_written(organization: Organization) -> None:
    caller = Caller(factories.make_key(organization).text)
    with statements() as first:
        caller.get("/me")

    with statements() as second:
        caller.get("/me")

    assert sum("orgs_touch_key" in sql for sql in first) == 1
    assert sum("orgs_touch_key" in sql for sql in second) == 0


def test_a_use_after_a_minute_is_written(organization: Organization) -> None:
    minted = factories.make_key(organization)
    change(minted.row, last_used_at=datetime.now(UTC) - timedelta(seconds=61))

    Caller(minted.text).get("/me")

    [(noted,)] = system_rows("SELECT now() - last_used_at < '5 s' FROM orgs_apikey WHERE id = %s", minted.row.id)
    assert noted is True


def test_processes_that_all_saw_a_key_used_write_it_once(organization: Organization) -> None:
    """A version of the row that nobody writes again keeps its xmin."""
    minted = factories.make_key(organization)
    at_once(*[lambda: functions.call("SELECT orgs_touch_key(%s)", [minted.row.id])] * 4)
    [first] = system_rows("SELECT xmin::text, last_used_at FROM orgs_apikey WHERE id = %s", minted.row.id)

    elsewhere(lambda: functions.call("SELECT orgs_touch_key(%s)", [minted.row.id]))

    [second] = system_rows("SELECT xmin::text, last_used_at FROM orgs_apikey WHERE id = %s", minted.row.id)
    assert first[1] is not None
    assert second == first


def test_using_a_key_is_no_change_of_it(organization: Organization) -> None:
    minted = factories.make_key(organization)

    Caller(minted.text).get("/me")

    assert system_rows("SELECT generation FROM orgs_apikey WHERE id = %s", minted.row.id) == [(1,)]


def test_a_key_revoked_while_it_is_looked_up_is_not_believed(organization: Organization, owner: Caller) -> None:
    """The look-up reads the row, the key is revoked and forgotten, and only then the look-up keeps what it read."""
    minted = factories.make_key(organization, scopes=("orgs:read",))

    def revoke_after_reading(execute: Callable[..., Any], sql: str, *rest: Any) -> Any:
        result = execute(sql, *rest)
        if "orgs_find_key" in sql:
            assert elsewhere(lambda: owner.delete(f"/api-keys/{minted.row.id}")).status == 204
        return result

    owner.get("/me")
    with connection.execute_wrapper(revoke_after_reading):
        Caller(minted.text).get("/me")

    assert Caller(minted.text).get("/me").code == "api-key-revoked"


def test_a_key_is_read_again_once_it_was_believed_for_four_seconds(organization: Organization) -> None:
    minted = factories.make_key(organization)
    authentication.authenticate_key(minted.text)
    authentication._known[minted.row.key_id].read_at -= authentication.BELIEVED_SECONDS

    with statements() as sent:
        authentication.authenticate_key(minted.text)

    assert len(sent) == 1
    assert authentication.BELIEVED_SECONDS <= 4


def test_a_revoked_key_is_refused_within_five_seconds_by_every_process(
    organization: Organization, owner: Caller
) -> None:
    minted = factories.make_key(organization)

    with subprocess.Popen(
        [sys.executable, "-c", OTHER_PROCESS, minted.text],
        stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, env=service_environ(), cwd=CHECKOUT,
    ) as other:  # fmt: skip
        assert other.stdin is not None
        assert other.stdout is not None
        assert other.stdout.readline() == "warm\n"
        owner.delete(f"/api-keys/{minted.row.id}")
        revoked_at = time.monotonic()
        other.stdin.write("go\n")
        other.stdin.flush()
        assert other.stdout.readline() == "refused\n"
        took = time.monotonic() - revoked_at

    assert took < 5


def test_a_users_key_may_do_what_it_holds_and_the_users_role_allows(organization: Organization) -> None:
    user = factories.make_member(organization)
    everything = Caller(factories.make_key(organization, user=user).text)
    narrow = Caller(factories.make_key(organization, user=user, scopes=("sessions:read",)).text)

    found = [caller.get("/me").json for caller in (everything, narrow)]

    assert [me["role"] for me in found] == ["member", "member"]
    assert found[0]["scopes"] == sorted(scopes_of_role("member"))
    assert found[1]["scopes"] == ["sessions:read"]
    assert (everything.get("/sessions").status, everything.get("/members").status) == (200, 403)


def test_a_demotion_is_felt_by_the_users_keys_at_once(organization: Organization) -> None:
    user = factories.make_member(organization, Role.ADMIN)
    caller = Caller(factories.make_key(organization, user=user).text)
    before = caller.get("/members").status

    with tenancy.system():
        members.change_role(Membership.objects.get(user=user).id, role=Role.MEMBER, actor="operator:test")

    assert (before, caller.get("/members").code) == (200, "scope-missing")


def test_every_role_has_its_scopes_and_one_of_a_newer_release_none() -> None:
    assert {role: bool(scopes_of_role(role)) for role in [*Role.values, "auditor"]} == dict.fromkeys(
        Role.values, True
    ) | {"auditor": False}
