"""The calling key, and the keys of the calling user."""

import uuid
from datetime import timedelta

from django.http import HttpResponse
from django.utils import timezone
from ninja import Router
from ninja.responses import Status

from api import etags
from api.cursors import DEFAULT_LIMIT, Listing, Page, paginate
from api.headers import reads
from orgs import tenancy
from orgs.api.api_keys import minted_response, rotated_response
from orgs.api.parameters import Cursor, Limit
from orgs.models import APIKey
from orgs.permissions import Scope, any_key, of_users, requires
from orgs.principals import Request, require_user
from orgs.schemas import PageOut
from orgs.schemas.api_keys import OWN_ROTATION, ROTATION, APIKeyOut, MintedKeyOut, MyKeyIn, OwnRotationIn, RotationIn
from orgs.services import api_keys, key_rotation
from orgs.subjects import expected_generations, get_subject

router = Router(tags=["api-keys"])


@router.post("/me/api-key/rotate", response={201: MintedKeyOut})
@any_key
def rotate_own_key(
    request: Request, response: HttpResponse, body: OwnRotationIn = OWN_ROTATION
) -> Status[MintedKeyOut]:
    """Replace the calling key by a new one of the same powers. Needs no scope.

    An end that somebody named stays, one by policy is given anew. The old key works for `overlap_seconds` more; within
    them the same Idempotency-Key gives the same answer.
    """
    overlap = timedelta(seconds=body.overlap_seconds)
    minted = key_rotation.rotate_own_key(request.principal, overlap=overlap, now=timezone.now())
    return minted_response(response, minted)


@router.post("/me/api-keys", response={201: MintedKeyOut})
@requires(Scope.ME_WRITE)
@of_users
def create_my_key(request: Request, body: MyKeyIn, response: HttpResponse) -> Status[MintedKeyOut]:
    """Create a key that acts as the calling user, at most as powerful as the calling one."""
    minted = api_keys.create_api_key(
        request.principal,
        name=body.name,
        scopes=[str(scope) for scope in body.scopes],
        user_id=require_user(request.principal),
        environment=body.environment,
        expires_at=body.expires_at,
        now=timezone.now(),
    )
    return minted_response(response, minted)


@router.get("/me/api-keys", response=PageOut[APIKeyOut])
@requires(Scope.ME_READ)
@of_users
def list_my_keys(request: Request, cursor: Cursor | None = None, limit: Limit = DEFAULT_LIMIT) -> Page[APIKey]:
    """List the keys that act as the calling user, newest first, revoked ones too."""
    user_id, organization_id = require_user(request.principal), request.principal.organization_id
    with tenancy.organization(organization_id):
        rows = APIKey.objects.filter(organization_id=organization_id, user_id=user_id)
        return paginate(rows, Listing("my-api-keys", organization_id, (user_id,)), cursor=cursor, limit=limit)


@router.get("/me/api-keys/{id:row_id}", response=APIKeyOut)
@requires(Scope.ME_READ)
@of_users
@etags.always_sent
def get_my_key(request: Request, row_id: uuid.UUID, response: HttpResponse) -> APIKey:
    """Return one key that acts as the calling user, without its secret. Never 304: `last_used_at` has no ETag."""
    return get_subject(request, response, APIKey.objects.filter(id=row_id, user_id=require_user(request.principal)))


@router.delete("/me/api-keys/{id:row_id}", response={204: None})
@requires(Scope.ME_WRITE)
@of_users
@reads(etags.IF_MATCH)
def revoke_my_key(request: Request, row_id: uuid.UUID) -> Status[None]:
    """Revoke a key that acts as the calling user and is at most as powerful as the calling one."""
    user_id = require_user(request.principal)
    expected = expected_generations(request, APIKey, row_id)
    api_keys.revoke_own_key(request.principal, row_id, user_id=user_id, expected=expected, now=timezone.now())
    return Status(204, None)


@router.post("/me/api-keys/{id:row_id}/rotate", response={201: MintedKeyOut})
@requires(Scope.ME_WRITE)
@of_users
@reads(etags.IF_MATCH)
def rotate_my_key(
    request: Request, row_id: uuid.UUID, response: HttpResponse, body: RotationIn = ROTATION
) -> Status[MintedKeyOut]:
    """Replace a key that acts as the calling user and is at most as powerful as the calling one."""
    return rotated_response(request, response, row_id, body, user_id=require_user(request.principal))
