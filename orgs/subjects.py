"""One subject as an operation answers it: found in the caller's organization, its generation told as the ETag."""

from typing import TypeVar

from django.db.models import QuerySet
from django.http import HttpResponse

from api import etags
from orgs import tenancy
from orgs.models import Changing, TenantModel
from orgs.principals import Request

C = TypeVar("C", bound=Changing)
T = TypeVar("T", bound=TenantModel)


def get_subject(request: Request, response: HttpResponse, rows: QuerySet[T]) -> T:
    """Return the one of `rows` that the caller's organization has; raises the model's DoesNotExist."""
    organization_id = request.principal.organization_id
    with tenancy.organization(organization_id):
        return tagged(response, rows.get(organization_id=organization_id))


def tagged(response: HttpResponse, row: C) -> C:
    """Return the row, with its generation as the ETag of the response."""
    response.headers["ETag"] = etags.etag(row.generation)
    return row
