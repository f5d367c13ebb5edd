from django.db import models
from django.db.models import OuterRef, QuerySet, Subquery, Value

from api.cursors import Listing, Page, paginate
from orgs import tenancy
from orgs.models import Membership, Organization
from orgs.permissions import Scope
from orgs.principals import ActorType, Principal


def page_of_own(principal: Principal, *, cursor: str | None, limit: int) -> Page[Organization]:
    """Return one page of the caller's organizations, each with the `role` of the user there.

    The one listing across organizations: it shows what the user is a member of, and of that nothing but itself. To a
    key without `me:read` it shows the one of the key.
    """
    listing = Listing("orgs", principal.organization_id, (principal.actor,))
    with tenancy.system():
        return paginate(_own(principal), listing, cursor=cursor, limit=limit)


def _own(principal: Principal) -> QuerySet[Organization]:
    rows = Organization.objects.open().defer("metadata")
    if principal.actor_type != ActorType.USER:
        return rows.filter(id=principal.organization_id).annotate(role=Value(None, models.CharField()))
    places = Membership.objects.filter(user_id=principal.actor_id)
    if Scope.ME_READ not in principal.scopes:
        places = places.filter(organization_id=principal.organization_id)
    role = places.filter(organization_id=OuterRef("id")).values("role")
    return rows.filter(id__in=places.values("organization_id")).annotate(role=Subquery(role))
