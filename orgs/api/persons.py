"""The rights of a person: a copy of everything, and to be erased."""

from django.http import HttpResponse
from django.utils import timezone
from ninja import Router
from ninja.responses import Status
from pydantic import ValidationError

from accounts.models import Erasure
from api import etags
from api.requests import client_address
from orgs.permissions import Scope, across_organizations, body_limit, limited_by, of_users, proof, requires
from orgs.principals import Request
from orgs.schemas.persons import EraseIn, ErasureOut
from orgs.services import exporting, person_erasing

router = Router(tags=["identity"])
ARCHIVE = "application/zip"
ANSWER = {"description": "OK", "content": {ARCHIVE: {"schema": {"type": "string", "format": "binary"}}}}


@router.get("/me/export", openapi_extra={"responses": {200: ANSWER}})
@requires(Scope.ME_ADMIN)
@of_users
@etags.always_sent
def export_me(request: Request) -> HttpResponse:
    """Return the caller's profile and all that is theirs in this organization, as one ZIP archive."""
    archive = exporting.export_myself(request.principal, now=timezone.now())
    name = f"holdfast-{request.principal.actor_id}.zip"
    return HttpResponse(
        archive, content_type=ARCHIVE, headers={"Content-Disposition": f'attachment; filename="{name}"'}
    )


def _prove_caller(request: Request) -> None:
    """Check what confirms the erasure, and remember whose it is."""
    request.proven = None
    try:
        body = EraseIn.model_validate(request.document)
    except ValidationError:
        # The operation answers it, field by field.
        return
    request.proven = person_erasing.confirm_erasure(
        request.principal,
        email=body.email,
        password=body.password,
        address=client_address(request),
        now=timezone.now(),
    )


@router.post("/me/erase", response={202: ErasureOut})
@requires(Scope.ME_ADMIN)
@of_users
@across_organizations
@limited_by("sign-in")
@proof(_prove_caller)
@body_limit(64 * 1024)
def erase_me(request: Request, body: EraseIn) -> Status[Erasure]:
    """Erase the caller from every organization, for good. Every key of theirs is refused within five seconds."""
    return Status(202, person_erasing.erase_myself(request.principal, proven=request.proven, now=timezone.now()))
