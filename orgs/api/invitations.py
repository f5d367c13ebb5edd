"""Invitations: made by admins, taken by whoever holds the link."""

import uuid
from datetime import timedelta
from typing import Any

from django.http import HttpResponse
from django.utils import timezone
from ninja import Router
from ninja.responses import Status
from pydantic import ValidationError

from api import etags
from api.cursors import DEFAULT_LIMIT, Listing, Page, paginate
from api.headers import reads
from api.requests import client_address
from orgs import tenancy
from orgs.api.api_keys import minted_out
from orgs.api.parameters import Cursor, Limit
from orgs.links import invitation_link
from orgs.models import Invitation, Role
from orgs.permissions import Scope, body_limit, limited_by, optional_key, proof, requires
from orgs.principals import ActorType, Principal, Request
from orgs.schemas import PageOut
from orgs.schemas.invitations import (
    RESEND,
    AcceptanceIn,
    AcceptedOut,
    InvitationIn,
    InvitationOut,
    OfferOut,
    ResendIn,
    SentInvitationOut,
    TokenIn,
)
from orgs.services import accepting, invitations
from orgs.subjects import expected_generations, get_subject, tagged

router = Router(tags=["invitations"])


@router.post("/invitations", response={201: SentInvitationOut})
@requires(Scope.MEMBERS_ADMIN)
def create_invitation(request: Request, body: InvitationIn, response: HttpResponse) -> Status[dict[str, Any]]:
    """Offer a place to an e-mail address. The link is shown here and never again; Holdfast sends no e-mail.

    To invite an owner needs `orgs:admin`.
    """
    sent = invitations.invite(
        request.principal,
        email=body.email,
        role=body.role,
        hours=body.expires_in_hours,
        now=timezone.now(),
    )
    response["Location"] = f"/api/v1/invitations/{sent.row.id}"
    return Status(201, _shown(request, response, sent))


@router.get("/invitations", response=PageOut[InvitationOut])
@requires(Scope.MEMBERS_ADMIN)
def list_invitations(
    request: Request,
    status: Invitation.Status | None = None,
    cursor: Cursor | None = None,
    limit: Limit = DEFAULT_LIMIT,
) -> Page[Invitation]:
    """List the organization's invitations, newest first, those that ended up to 90 days after their expiry."""
    organization_id = request.principal.organization_id
    with tenancy.organization(organization_id):
        rows = Invitation.objects.filter(organization_id=organization_id)
        if status is not None:
            rows = rows.in_status(status, timezone.now())
        return paginate(rows, Listing("invitations", organization_id, (status,)), cursor=cursor, limit=limit)


@router.get("/invitations/{id:invitation_id}", response=InvitationOut)
@requires(Scope.MEMBERS_ADMIN)
@etags.always_sent
def get_invitation(request: Request, invitation_id: uuid.UUID, response: HttpResponse) -> Invitation:
    """Return one invitation without its token. It expires without a new ETag: never 304."""
    return get_subject(request, response, Invitation.objects.filter(id=invitation_id))


@router.post("/invitations/{id:invitation_id}/resend", response=SentInvitationOut)
@requires(Scope.MEMBERS_ADMIN)
@reads(etags.IF_MATCH)
def resend_invitation(
    request: Request, invitation_id: uuid.UUID, response: HttpResponse, body: ResendIn = RESEND
) -> dict[str, Any]:
    """Give an invitation that nobody has taken a new link and a new end. The old link is dead."""
    sent = invitations.resend(
        request.principal,
        invitation_id,
        life=None if body.expires_in_hours is None else timedelta(hours=body.expires_in_hours),
        expected=expected_generations(request, Invitation, invitation_id),
        now=timezone.now(),
    )
    return _shown(request, response, sent)


@router.delete("/invitations/{id:invitation_id}", response={204: None})
@requires(Scope.MEMBERS_ADMIN)
@reads(etags.IF_MATCH)
def revoke_invitation(request: Request, invitation_id: uuid.UUID) -> Status[None]:
    """Let the link of an invitation that nobody has taken work no more."""
    expected = expected_generations(request, Invitation, invitation_id)
    invitations.revoke(request.principal, invitation_id, expected=expected, now=timezone.now())
    return Status(204, None)


@router.post("/invitations/look-up", auth=None, response=OfferOut)
@limited_by("sign-in")
@body_limit(64 * 1024)
def look_up_invitation(request: Request, body: TokenIn) -> OfferOut:
    """Say what the holder of a token is offered. Needs no key."""
    row = accepting.look_up(body.token, timezone.now())
    request.made_for = (row.organization_id, row.id)
    name = row.organization.name
    return OfferOut(organization_name=name, email=row.email, role=Role(row.role), expires_at=row.expires_at)


def _prove_account(request: Request) -> None:
    """Check the password of a call that comes with one, and remember whose it is."""
    request.proven = None
    try:
        body = AcceptanceIn.model_validate(request.document)
    except ValidationError:
        # The operation answers it, field by field.
        return
    if body.password is not None:
        request.proven = accepting.prove_account(
            body.token, body.password, address=client_address(request), now=timezone.now()
        )


def _calling_user(request: Request) -> Principal | None:
    """Return the principal of a user, if the call came with one; who else calls says nothing about who is invited."""
    principal: Principal | None = getattr(request, "principal", None)
    return principal if principal is not None and principal.actor_type == ActorType.USER else None


@router.post("/invitations/accept", auth=None, response={201: AcceptedOut})
@optional_key
@limited_by("sign-in")
@proof(_prove_account)
@body_limit(64 * 1024)
def accept_invitation(request: Request, body: AcceptanceIn) -> Status[AcceptedOut]:
    """Take the place that a token offers, and get a first API key, which is shown once.

    An address without an account gets one with the given password. An address that has one proves it by its password,
    or, sent without any, by a key of its user with `me:write` in the Authorization header. The new key is then for the
    environment of that one, ends no later, and has of the scopes `me:*` no more.
    """
    made = accepting.accept(
        body.token,
        display_name=body.display_name,
        password=body.password,
        proven=request.proven,
        caller=_calling_user(request) if body.password is None else None,
        now=timezone.now(),
    )
    request.made_for = (made.organization.id, made.user.id)
    return Status(201, AcceptedOut.model_validate({**made.__dict__, "api_key": minted_out(made.minted)}))


def _shown(request: Request, response: HttpResponse, sent: invitations.Sent) -> dict[str, Any]:
    tagged(response, sent.row)
    shown = InvitationOut.model_validate(sent.row).model_dump()
    return {**shown, "token": sent.token, "link": invitation_link(request, sent.token)}
