"""Sign-up, and the caller."""

from django.conf import settings
from django.http import HttpResponse
from ninja import Router
from ninja.responses import Status

from orgs import tenancy
from orgs.api.api_keys import minted_out
from orgs.models import Organization, Role
from orgs.permissions import any_key, body_limit, precheck
from orgs.principals import Request
from orgs.schemas.me import MeOut, SignUpIn, SignUpOut
from orgs.schemas.organizations import OrganizationOut
from orgs.services import signing_up

router = Router(tags=["identity"])


class SignUpClosed(Exception):
    """Raised when this installation does not let strangers make organizations."""


def _require_open_sign_up() -> None:
    if settings.SIGNUP != "open":
        raise SignUpClosed("Sign-up is closed here; ask the operator for a key.")


@router.post("/signup", auth=None, response={201: SignUpOut})
@precheck(_require_open_sign_up)
@body_limit(64 * 1024)
def sign_up(request: Request, body: SignUpIn, response: HttpResponse) -> Status[SignUpOut]:
    """Create a user, an organization that they own, and its first API key, which is shown once."""
    made = signing_up.sign_up(
        email=body.email,
        display_name=body.display_name,
        password=body.password,
        name=body.organization.name,
        slug=body.organization.slug,
    )
    request.made_for = (made.organization.id, made.user.id)
    return Status(201, SignUpOut.model_validate({**made.__dict__, "api_key": minted_out(made.minted)}))


@router.get("/me", response=MeOut)
@any_key
def me(request: Request) -> MeOut:
    """Say who the presented key is and what it may do. Needs no scope."""
    principal = request.principal
    with tenancy.organization(principal.organization_id):
        organization = Organization.objects.get(id=principal.organization_id)
    return MeOut(
        organization=OrganizationOut.model_validate(organization),
        actor_type=principal.actor_type,
        actor_id=principal.actor_id,
        api_key_id=principal.key_id,
        role=Role(principal.role) if principal.role else None,
        scopes=sorted(principal.scopes),
    )
