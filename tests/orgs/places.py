"""Users' places in an organization, and keys that act as them."""

import uuid

from accounts.models import User
from orgs import tenancy
from orgs.models import Membership, Organization
from tests import factories
from tests.factories import Caller
from tests.statements import system_rows


def key_of(organization: Organization, user: User) -> Caller:
    return Caller(factories.make_key(organization, user=user).text)


def place_of(organization: Organization, user_id: uuid.UUID) -> str:
    with tenancy.system():
        return str(Membership.objects.get(organization=organization, user_id=user_id).id)


def roles_of(organization: Organization) -> list[str]:
    found = system_rows("SELECT role FROM orgs_membership WHERE organization_id = %s ORDER BY role", organization.id)
    return [role for (role,) in found]
