"""Identity over HTTP: sign-up, the caller, the organization, its members, agents, keys and audit trail."""

import uuid
from typing import Annotated

from django.conf import settings
from django.http import HttpResponse
from django.utils import timezone
from ninja import Router
from ninja.responses import Status
from pydantic import Field, StringConstraints

from api import etags
from api.cursors import DEFAULT_LIMIT, MAX_LIMIT, Listing, Page, paginate
from api.headers import reads
from api.values import IN_DIGITS
from audit.models import Action, Entry
from orgs import services, tenancy
from orgs.models import Agent, APIKey, Membership, Organization
from orgs.permissions import Scope, any_key, body_limit, precheck, requires
from orgs.principals import Request
from orgs.schemas import (
    AgentIn,
    AgentOut,
    AgentPatch,
    APIKeyIn,
    APIKeyOut,
    AuditEntryOut,
    MemberOut,
    MeOut,
    MintedKeyOut,
    OrganizationOut,
    OrganizationPatch,
    PageOut,
    SignUpIn,
    SignUpOut,
)
from orgs.subjects import expected_generations, get_subject, tagged

router = Router()
Cursor = Annotated[str, StringConstraints(max_length=500)]
Limit = Annotated[int, Field(ge=1, le=MAX_LIMIT), IN_DIGITS]


class SignUpClosed(Exception):
    """Raised when this installation does not let strangers make organizations."""


def _require_open_sign_up() -> None:
    if settings.SIGNUP != "open":
        raise SignUpClosed("Sign-up is closed here; ask the operator for a key.")


@router.post("/signup", auth=None, response={201: SignUpOut}, tags=["identity"])
@precheck(_require_open_sign_up)
@body_limit(64 * 1024)
def sign_up(request: Request, body: SignUpIn, response: HttpResponse) -> Status[SignUpOut]:
    """Create a user, an organization that they own, and its first API key, which is shown once."""
    made = services.sign_up(
        email=body.email,
        display_name=body.display_name,
        password=body.password,
        name=body.organization.name,
        slug=body.organization.slug,
    )
    request.made_for = (made.organization.id, made.user.id)
    return Status(201, SignUpOut.model_validate({**made.__dict__, "api_key": minted_out(made.minted)}))


@router.get("/me", response=MeOut, tags=["identity"])
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
        scopes=sorted(principal.scopes),
    )


@router.get("/orgs/{id:organization_id}", response=OrganizationOut, tags=["identity"])
@requires(Scope.ORGS_READ)
def get_organization(request: Request, organization_id: uuid.UUID, response: HttpResponse) -> Organization:
    """Return the caller's organization; any other is not found."""
    if organization_id != request.principal.organization_id:
        raise Organization.DoesNotExist
    with tenancy.organization(organization_id):
        return tagged(response, Organization.objects.get(id=organization_id))


@router.patch("/orgs/{id:organization_id}", response=OrganizationOut, tags=["identity"])
@requires(Scope.ORGS_ADMIN)
@reads(etags.IF_MATCH)
def rename_organization(
    request: Request, organization_id: uuid.UUID, body: OrganizationPatch, response: HttpResponse
) -> Organization:
    """Change the organization's name."""
    if organization_id != request.principal.organization_id:
        raise Organization.DoesNotExist
    renamed = services.rename_organization(
        request.principal, name=body.name, expected=expected_generations(request, Organization, organization_id)
    )
    return tagged(response, renamed)


@router.get("/members", response=PageOut[MemberOut], tags=["identity"])
@requires(Scope.MEMBERS_READ)
def list_members(request: Request, cursor: Cursor | None = None, limit: Limit = DEFAULT_LIMIT) -> Page[Membership]:
    """List the organization's members, newest first."""
    organization_id = request.principal.organization_id
    with tenancy.organization(organization_id):
        members = Membership.objects.filter(organization_id=organization_id).with_users()
        return paginate(members, Listing("members", organization_id), cursor=cursor, limit=limit)


@router.get("/members/{id:membership_id}", response=MemberOut, tags=["identity"])
@requires(Scope.MEMBERS_READ)
@etags.always_sent
def get_member(request: Request, membership_id: uuid.UUID, response: HttpResponse) -> Membership:
    """Return one membership. It shows the user's name too, which changes without the membership: never 304."""
    return get_subject(request, response, Membership.objects.with_users().filter(id=membership_id))


@router.post("/agents", response={201: AgentOut}, tags=["agents"])
@requires(Scope.AGENTS_WRITE)
def create_agent(request: Request, body: AgentIn, response: HttpResponse) -> Status[Agent]:
    """Register an agent."""
    agent = services.create_agent(request.principal, name=body.name, slug=body.slug, description=body.description)
    response["Location"] = f"/api/v1/agents/{agent.id}"
    return Status(201, tagged(response, agent))


@router.get("/agents", response=PageOut[AgentOut], tags=["agents"])
@requires(Scope.AGENTS_READ)
def list_agents(request: Request, cursor: Cursor | None = None, limit: Limit = DEFAULT_LIMIT) -> Page[Agent]:
    """List the organization's agents, newest first."""
    organization_id = request.principal.organization_id
    with tenancy.organization(organization_id):
        agents = Agent.objects.filter(organization_id=organization_id)
        return paginate(agents, Listing("agents", organization_id), cursor=cursor, limit=limit)


@router.get("/agents/{id:agent_id}", response=AgentOut, tags=["agents"])
@requires(Scope.AGENTS_READ)
def get_agent(request: Request, agent_id: uuid.UUID, response: HttpResponse) -> Agent:
    """Return one agent."""
    return get_subject(request, response, Agent.objects.filter(id=agent_id))


@router.patch("/agents/{id:agent_id}", response=AgentOut, tags=["agents"])
@requires(Scope.AGENTS_WRITE)
@reads(etags.IF_MATCH)
def change_agent(request: Request, agent_id: uuid.UUID, body: AgentPatch, response: HttpResponse) -> Agent:
    """Change the given fields of an agent."""
    agent = services.change_agent(
        request.principal,
        agent_id,
        changes=body.model_dump(exclude_unset=True),
        expected=expected_generations(request, Agent, agent_id),
    )
    return tagged(response, agent)


@router.post("/api-keys", response={201: MintedKeyOut}, tags=["api-keys"])
@requires(Scope.API_KEYS_WRITE)
def create_api_key(request: Request, body: APIKeyIn, response: HttpResponse) -> Status[MintedKeyOut]:
    """Create a key, at most as powerful as the calling one. Its text is shown here and never again."""
    minted = services.create_api_key(
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


@router.get("/api-keys", response=PageOut[APIKeyOut], tags=["api-keys"])
@requires(Scope.API_KEYS_READ)
def list_api_keys(request: Request, cursor: Cursor | None = None, limit: Limit = DEFAULT_LIMIT) -> Page[APIKey]:
    """List the organization's keys, newest first, revoked ones too."""
    organization_id = request.principal.organization_id
    with tenancy.organization(organization_id):
        rows = APIKey.objects.filter(organization_id=organization_id)
        return paginate(rows, Listing("api-keys", organization_id), cursor=cursor, limit=limit)


@router.get("/api-keys/{id:row_id}", response=APIKeyOut, tags=["api-keys"])
@requires(Scope.API_KEYS_READ)
@etags.always_sent
def get_api_key(request: Request, row_id: uuid.UUID, response: HttpResponse) -> APIKey:
    """Return one key without its secret. Its ETag is for `If-Match`; `last_used_at` changes without it: never 304."""
    return get_subject(request, response, APIKey.objects.filter(id=row_id))


@router.delete("/api-keys/{id:row_id}", response={204: None}, tags=["api-keys"])
@requires(Scope.API_KEYS_WRITE)
@reads(etags.IF_MATCH)
def revoke_api_key(request: Request, row_id: uuid.UUID) -> Status[None]:
    """Revoke a key for good; every process refuses it within five seconds."""
    expected = expected_generations(request, APIKey, row_id)
    services.revoke_api_key(request.principal, row_id, expected=expected, now=timezone.now())
    return Status(204, None)


@router.get("/audit", response=PageOut[AuditEntryOut], tags=["audit"])
@requires(Scope.AUDIT_READ)
def list_audit_entries(
    request: Request,
    action: Action | None = None,
    cursor: Cursor | None = None,
    limit: Limit = DEFAULT_LIMIT,
) -> Page[Entry]:
    """List what was done and what was refused in the organization, newest first."""
    organization_id = request.principal.organization_id
    with tenancy.organization(organization_id):
        entries = Entry.objects.of_organization(organization_id)
        if action is not None:
            entries = entries.filter(action=action)
        listing = Listing("audit", organization_id, (action,))
        return paginate(entries, listing, cursor=cursor, limit=limit)


def minted_out(minted: services.MintedKey) -> MintedKeyOut:
    shown = APIKeyOut.model_validate(minted.row).model_dump()
    return MintedKeyOut(**shown, key=minted.text)
