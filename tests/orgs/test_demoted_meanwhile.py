"""What outlasts the seconds for which a key is believed is refused to who was demoted, or whose key was revoked."""

from collections.abc import Callable
from typing import Any

import pytest

from orgs.models import Organization, Role
from tests import factories
from tests.factories import Answer, Caller
from tests.orgs.invitations import invite
from tests.orgs.places import key_of
from tests.statements import system_rows

STATE = """
SELECT (SELECT to_jsonb(o) FROM orgs_organization o WHERE o.id = %(id)s),
       (SELECT jsonb_agg(k.* ORDER BY id) FROM (SELECT id, expires_at, revoked_at, generation FROM orgs_apikey
        WHERE organization_id = %(id)s) k),
       (SELECT jsonb_agg(i.* ORDER BY id) FROM orgs_invitation i WHERE organization_id = %(id)s),
       (SELECT jsonb_agg(a.* ORDER BY id) FROM orgs_agent a WHERE organization_id = %(id)s)
"""


def state(organization: Organization) -> list[Any]:
    return system_rows(STATE.replace("%(id)s", f"'{organization.id}'"))


def _settings(caller: Caller, organization: Organization) -> Answer:
    body = {"api_keys": {"max_lifetime_days": 1, "apply_to_existing": True}}
    return caller.patch(f"/orgs/{organization.id}/settings", body)


def _delete(caller: Caller, organization: Organization) -> Answer:
    return caller.delete(f"/orgs/{organization.id}?confirm={organization.slug}")


def _restore(caller: Caller, organization: Organization) -> Answer:
    return caller.post(f"/orgs/{organization.id}/restore")


def _rename(caller: Caller, organization: Organization) -> Answer:
    return caller.patch(f"/orgs/{organization.id}", {"name": "Taken"})


def _first(organization: Organization, table: str) -> Any:
    sql = f"SELECT id FROM {table} WHERE organization_id = %s ORDER BY id DESC LIMIT 1"
    return system_rows(sql, organization.id)[0][0]


def _revoke_key(caller: Caller, organization: Organization) -> Answer:
    return caller.delete(f"/api-keys/{_first(organization, 'orgs_apikey')}")


def _revoke_invitation(caller: Caller, organization: Organization) -> Answer:
    return caller.delete(f"/invitations/{_first(organization, 'orgs_invitation')}")


def _delete_agent(caller: Caller, organization: Organization) -> Answer:
    return caller.delete(f"/agents/{_first(organization, 'orgs_agent')}")


Act = Callable[[Caller, Organization], Answer]
ACTS = [_settings, _delete, _restore, _rename, _revoke_key, _revoke_invitation, _delete_agent]


@pytest.fixture
def believed(organization: Organization, founder: Caller) -> Caller:
    """An owner whose key was just read here, in an organization that has one of everything and another owner."""
    other = key_of(organization, factories.make_member(organization, Role.OWNER))
    invite(other)
    factories.make_agent(organization)
    founder.get("/me")
    return founder


@pytest.mark.parametrize("act", ACTS)
def test_who_was_demoted_elsewhere_changes_nothing(believed: Caller, organization: Organization, act: Act) -> None:
    system_rows(
        "UPDATE orgs_membership SET role = 'member' WHERE organization_id = %s AND user_id = %s",
        organization.id,
        organization.owner_id,
    )
    before = state(organization)

    answer = act(believed, organization)

    assert (answer.status, answer.code) == (403, "scope-missing")
    assert state(organization) == before


@pytest.mark.parametrize("act", ACTS)
def test_a_key_revoked_elsewhere_changes_nothing(believed: Caller, organization: Organization, act: Act) -> None:
    key_id = believed.get("/me").json["api_key_id"]
    system_rows("UPDATE orgs_apikey SET revoked_at = now() WHERE id = %s", key_id)
    before = state(organization)

    answer = act(believed, organization)

    assert (answer.status, answer.code) == (401, "api-key-revoked")
    assert state(organization) == before
