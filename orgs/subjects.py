"""One subject as an operation answers it: found in the caller's organization, its generation told as the ETag."""

import uuid
from collections.abc import Callable
from typing import TypeVar

from django.db.models import QuerySet
from django.http import HttpResponse

from api import etags
from orgs import tenancy
from orgs.models import Changing, Organization, TenantModel
from orgs.principals import Request

C = TypeVar("C", bound=Changing)
T = TypeVar("T", bound=TenantModel)


def get_subject(request: Request, response: HttpResponse, rows: QuerySet[T]) -> T:
    """Return the one of `rows` that the caller's organization has; raises the model's DoesNotExist."""
    organization_id = request.principal.organization_id
    with tenancy.organization(organization_id):
        return tagged(response, rows.get(organization_id=organization_id))


def require_own(request: Request, organization_id: uuid.UUID) -> None:
    """Refuse any organization but the caller's, as one that is not there; raises Organization.DoesNotExist."""
    if organization_id != request.principal.organization_id:
        raise Organization.DoesNotExist


def expected_generations(request: Request, model: type[Changing], row_id: uuid.UUID) -> list[int] | None:
    """Return the generations on which the request's conditions let it change a row, or None when any will do.

    Raises the model's DoesNotExist.
    """

    def generation() -> int:
        with tenancy.organization(request.principal.organization_id):
            current: int = model._default_manager.values_list("generation", flat=True).get(pk=row_id)
        return current

    return expected_of(request, generation)


def expected_of(request: Request, generation: Callable[[], int], *, absent: int | None = None) -> list[int] | None:
    """As `expected_generations`, of what has its generation from elsewhere.

    What If-None-Match rules out is compared with the generation there is now, and the write is then made on that one
    alone: one that changes in between is refused like one that was named. `absent` is the generation of what is not
    there yet, for a write that also makes what it writes; what is there once is not gone again.
    """
    accepted = etags.accepted_generations(request, absent=absent)
    refused = etags.refused_generations(request)
    asks_for_any = absent is not None and etags.asks_for_any(request)
    if not refused and not asks_for_any:
        return accepted
    current = generation()
    if asks_for_any and current == absent:
        return []
    if not refused:
        return accepted
    return [current] if current not in refused and (accepted is None or current in accepted) else []


def tagged(response: HttpResponse, row: C) -> C:
    """Return the row, with its generation as the ETag of the response."""
    response.headers["ETag"] = etags.etag(row.generation)
    return row
