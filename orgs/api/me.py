"""Sign-up, the caller, and what a caller who is a user has in every organization."""

from typing import Any

from django.conf import settings
from django.http import HttpResponse
from ninja import Body, Router
from ninja.responses import Status

from api import etags
from api.headers import reads
from api.responses import document_response
from orgs import tenancy
from orgs.api.api_keys import minted_out
from orgs.keys import Environment
from orgs.models import Membership, Organization, Role
from orgs.permissions import Scope, any_key, body_limit, limited_by, of_users, precheck, requires
from orgs.principals import ActorType, Request
from orgs.schemas.me import MeOut, MePatch, PlaceOut, ProfileOut, SignUpIn, SignUpOut
from orgs.schemas.organizations import OrganizationOut
from orgs.services import signing_up, users
from orgs.subjects import expected_of

router = Router(tags=["identity"])


class SignUpClosed(Exception):
    """Raised when this installation does not let strangers make organizations."""


def _require_open_sign_up() -> None:
    if settings.SIGNUP != "open":
        raise SignUpClosed("Sign-up is closed here; ask the operator for a key.")


@router.post("/signup", auth=None, response={201: SignUpOut})
@limited_by("sign-in")
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
@etags.always_sent
def me(request: Request, response: HttpResponse) -> MeOut:
    """Say who the presented key or token is and what it may do. Needs no scope.

    For a user, or a key that acts as one, also who that is: at most 1,000 memberships, newest first. Without `me:read`
    `memberships` has this organization alone, `external_id` and `preferences` are null, and there is no ETag. The ETag
    is that of the profile and the preferences, for `If-Match`; all else changes without it: never 304.
    """
    principal = request.principal
    with tenancy.organization(principal.organization_id):
        organization = Organization.objects.get(id=principal.organization_id)
    found = MeOut(
        organization=OrganizationOut.model_validate(organization),
        actor_type=principal.actor_type,
        actor_id=principal.actor_id,
        api_key_id=principal.key_id,
        environment=Environment(principal.environment),
        role=Role(principal.role) if principal.role else None,
        scopes=sorted(principal.scopes),
    )
    return _with_user(found, request, response) if principal.actor_type == ActorType.USER else found


@router.patch("/me", response=MeOut)
@requires(Scope.ME_WRITE)
@of_users
@body_limit(64 * 1024)
@reads(etags.IF_MATCH)
def change_me(request: Request, body: MePatch, response: HttpResponse) -> MeOut:
    """Change the user's display name, and merge-patch their preferences (RFC 7396).

    For a key that acts as a user. The address is not changed here: nothing would prove that the new one is theirs.
    """
    principal = request.principal
    expected = expected_of(request, lambda: users.get_myself(principal).user.generation)
    users.change_myself(principal, changes=body.model_dump(exclude_unset=True), expected=expected)
    return me(request, response)


def _with_user(found: MeOut, request: Request, response: HttpResponse) -> MeOut:
    user, memberships = users.get_myself(request.principal)
    found.user = ProfileOut.model_validate(user)
    found.memberships = [_place(membership) for membership in memberships]
    if Scope.ME_READ in request.principal.scopes:
        response.headers["ETag"] = etags.etag(user.generation)
        found.preferences = user.preferences
    else:
        # What members show each other: the rest is the person's, and the key may be in the hands of an administrator.
        found.user.external_id = None
    return found


def _place(membership: Membership) -> PlaceOut:
    there = membership.organization
    return PlaceOut(id=there.id, name=there.name, slug=there.slug, role=Role(membership.role))


@router.get("/me/settings", response=dict[str, Any])
@requires(Scope.ME_READ)
@of_users
def get_settings(request: Request) -> HttpResponse:
    """Return the user's settings: a JSON object that is theirs alone, the same in each of their organizations.

    For a key that acts as a user. Where nothing was stored yet they are `{}` with the ETag "0", on which the first
    write may be made conditional; `If-Match: *` is refused until then.
    """
    return document_response(users.get_settings(request.principal))


@router.put("/me/settings", response=dict[str, Any])
@requires(Scope.ME_WRITE)
@of_users
@reads(etags.IF_MATCH, etags.IF_NONE_MATCH)
def replace_settings(request: Request, settings: Body[dict[str, Any]]) -> HttpResponse:
    """Replace the user's settings; the body is the new document. Send If-Match to overwrite only what you read."""
    expected = _expected_settings(request)
    return document_response(users.replace_settings(request.principal, settings, expected=expected))


@router.patch("/me/settings", response=dict[str, Any])
@requires(Scope.ME_WRITE)
@of_users
@reads(etags.IF_MATCH, etags.IF_NONE_MATCH)
def merge_settings(request: Request, patch: Body[dict[str, Any]]) -> HttpResponse:
    """Merge-patch the user's settings (RFC 7396): null removes a name, objects merge, all else replaces."""
    expected = _expected_settings(request)
    return document_response(users.merge_settings(request.principal, patch, expected=expected))


def _expected_settings(request: Request) -> list[int] | None:
    return expected_of(request, lambda: users.get_settings(request.principal).generation, absent=0)
