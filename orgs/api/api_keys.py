"""The organization's API keys."""

import uuid
from datetime import timedelta
from enum import StrEnum

from django.http import HttpResponse
from django.utils import timezone
from ninja import Router
from ninja.responses import Status

from api import etags
from api.cursors import DEFAULT_LIMIT, Listing, Page, paginate
from api.headers import reads
from api.values import Instant, SubjectId
from orgs import tenancy
from orgs.api.parameters import Cursor, Limit
from orgs.keys import Environment
from orgs.models import APIKey, APIKeyStatus
from orgs.permissions import Scope, requires
from orgs.principals import Request
from orgs.schemas import PageOut
from orgs.schemas.api_keys import ROTATION, APIKeyIn, APIKeyOut, MintedKeyOut, RotationIn
from orgs.services import api_keys, key_rotation
from orgs.subjects import expected_generations, get_subject, tagged

router = Router(tags=["api-keys"])


class Order(StrEnum):
    NEWEST = "newest"
    LAST_USED = "last_used"


@router.post("/api-keys", response={201: MintedKeyOut})
@requires(Scope.API_KEYS_WRITE)
def create_api_key(request: Request, body: APIKeyIn, response: HttpResponse) -> Status[MintedKeyOut]:
    """Create a key, at most as powerful as the calling one. Its text is shown here and never again."""
    minted = api_keys.create_api_key(
        request.principal,
        name=body.name,
        scopes=[str(scope) for scope in body.scopes],
        agent_id=body.agent_id,
        user_id=body.user_id,
        environment=body.environment,
        expires_at=body.expires_at,
        now=timezone.now(),
    )
    return minted_response(response, minted)


@router.get("/api-keys", response=PageOut[APIKeyOut])
@requires(Scope.API_KEYS_READ)
def list_api_keys(
    request: Request,
    environment: Environment | None = None,
    user_id: SubjectId | None = None,
    agent_id: SubjectId | None = None,
    status: APIKeyStatus | None = None,
    unused_since: Instant | None = None,
    order: Order = Order.NEWEST,
    cursor: Cursor | None = None,
    limit: Limit = DEFAULT_LIMIT,
) -> Page[APIKey]:
    """List the organization's keys, newest first or those unused for longest first, revoked ones too.

    `unused_since` leaves out what was used at that time or later. A key that is used while you page moves to the end.
    """
    organization_id = request.principal.organization_id
    given = {"environment": environment, "user_id": user_id, "agent_id": agent_id}
    listing = Listing("api-keys", organization_id, (*given.values(), status, unused_since, order))
    by_use = order == Order.LAST_USED
    with tenancy.organization(organization_id):
        rows = APIKey.objects.filter(organization_id=organization_id)
        rows = rows.filter(**{name: value for name, value in given.items() if value is not None})
        rows = rows if status is None else rows.in_status(status, timezone.now())
        rows = rows if unused_since is None else rows.unused_since(unused_since)
        longest_ago = "last_used_at" if by_use else None
        return paginate(rows, listing, cursor=cursor, limit=limit, newest_first=not by_use, longest_ago=longest_ago)


@router.get("/api-keys/{id:row_id}", response=APIKeyOut)
@requires(Scope.API_KEYS_READ)
@etags.always_sent
def get_api_key(request: Request, row_id: uuid.UUID, response: HttpResponse) -> APIKey:
    """Return one key without its secret. Its ETag is for `If-Match`; `last_used_at` changes without it: never 304."""
    return get_subject(request, response, APIKey.objects.filter(id=row_id))


@router.delete("/api-keys/{id:row_id}", response={204: None})
@requires(Scope.API_KEYS_WRITE)
@reads(etags.IF_MATCH)
def revoke_api_key(request: Request, row_id: uuid.UUID) -> Status[None]:
    """Revoke a key for good, also one more powerful; every process refuses it within five seconds."""
    expected = expected_generations(request, APIKey, row_id)
    api_keys.revoke_api_key(request.principal, row_id, expected=expected, now=timezone.now())
    return Status(204, None)


@router.post("/api-keys/{id:row_id}/rotate", response={201: MintedKeyOut})
@requires(Scope.API_KEYS_WRITE)
@reads(etags.IF_MATCH)
def rotate_api_key(
    request: Request, row_id: uuid.UUID, response: HttpResponse, body: RotationIn = ROTATION
) -> Status[MintedKeyOut]:
    """Replace a key, at most as powerful as the calling one, by a new one; the old one works for an overlap."""
    return rotated_response(request, response, row_id, body)


def rotated_response(
    request: Request, response: HttpResponse, row_id: uuid.UUID, body: RotationIn, *, user_id: uuid.UUID | None = None
) -> Status[MintedKeyOut]:
    """Replace a key, of this user where one is named, and answer with the new one."""
    minted = key_rotation.rotate_api_key(
        request.principal,
        row_id,
        overlap=timedelta(seconds=body.overlap_seconds),
        expires_at=body.expires_at,
        expected=expected_generations(request, APIKey, row_id),
        user_id=user_id,
        now=timezone.now(),
    )
    return minted_response(response, minted)


def minted_response(response: HttpResponse, minted: api_keys.MintedKey) -> Status[MintedKeyOut]:
    """Answer with a new key, where it is, and its ETag."""
    response["Location"] = f"/api/v1/api-keys/{minted.row.id}"
    tagged(response, minted.row)
    return Status(201, minted_out(minted))


def minted_out(minted: api_keys.MintedKey) -> MintedKeyOut:
    shown = APIKeyOut.model_validate(minted.row).model_dump()
    return MintedKeyOut(**shown, key=minted.text)
