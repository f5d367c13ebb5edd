"""The organization's API keys."""

import uuid

from django.http import HttpResponse
from django.utils import timezone
from ninja import Router
from ninja.responses import Status

from api import etags
from api.cursors import DEFAULT_LIMIT, Listing, Page, paginate
from api.headers import reads
from orgs import tenancy
from orgs.api.parameters import Cursor, Limit
from orgs.models import APIKey
from orgs.permissions import Scope, requires
from orgs.principals import Request
from orgs.schemas import PageOut
from orgs.schemas.api_keys import APIKeyIn, APIKeyOut, MintedKeyOut
from orgs.services import api_keys
from orgs.subjects import expected_generations, get_subject, tagged

router = Router(tags=["api-keys"])


@router.post("/api-keys", response={201: MintedKeyOut})
@requires(Scope.API_KEYS_WRITE)
def create_api_key(request: Request, body: APIKeyIn, response: HttpResponse) -> Status[MintedKeyOut]:
    """Create a key, at most as powerful as the calling one. Its text is shown here and never again."""
    minted = api_keys.create_api_key(
        request.principal,
        name=body.name,
        scopes=[str(scope) for scope in body.scopes],
        agent_id=body.agent_id,
        expires_at=body.expires_at,
        now=timezone.now(),
    )
    response["Location"] = f"/api/v1/api-keys/{minted.row.id}"
    tagged(response, minted.row)
    return Status(201, minted_out(minted))


@router.get("/api-keys", response=PageOut[APIKeyOut])
@requires(Scope.API_KEYS_READ)
def list_api_keys(request: Request, cursor: Cursor | None = None, limit: Limit = DEFAULT_LIMIT) -> Page[APIKey]:
    """List the organization's keys, newest first, revoked ones too."""
    organization_id = request.principal.organization_id
    with tenancy.organization(organization_id):
        rows = APIKey.objects.filter(organization_id=organization_id)
        return paginate(rows, Listing("api-keys", organization_id), cursor=cursor, limit=limit)


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
    """Revoke a key for good; every process refuses it within five seconds."""
    expected = expected_generations(request, APIKey, row_id)
    api_keys.revoke_api_key(request.principal, row_id, expected=expected, now=timezone.now())
    return Status(204, None)


def minted_out(minted: api_keys.MintedKey) -> MintedKeyOut:
    shown = APIKeyOut.model_validate(minted.row).model_dump()
    return MintedKeyOut(**shown, key=minted.text)
