"""What every API call passes before its operation runs, in this order:

path, query parameters, authentication, rate limits, scope, the operation's own precheck, body, its own proof, and for
a POST with an Idempotency-Key the transaction that keeps work and answer together. A write of what has no tag is
refused before it runs where it comes on the condition of one. An operation that waits is tried again later, in whole
where an ASGI front waits. After a GET, an answer that the caller has already is spared.
"""

import hashlib
import uuid
from collections.abc import Callable
from functools import wraps
from typing import Any, cast, get_type_hints
from urllib.parse import quote

from django.http import HttpRequest, HttpResponse
from ninja.operation import Operation
from ninja.params.models import BodyModel, QueryModel
from ninja.security import HttpBearer

from api import documents, etags, idempotency, requests
from api.waiting import Waiting, pause_or_wait
from audit.models import Action, Outcome
from audit.origin import current_origin
from audit.services import record
from orgs import rate_limiting, tenancy
from orgs.authentication import KeyRefused, authenticate
from orgs.bearers import UserUnknown
from orgs.connections import drop_dead_connection
from orgs.permissions import Scope, ScopeMissing
from orgs.principals import Principal, Request, UserRequired, require_user
from orgs.refusals import Refusals

Run = Callable[..., HttpResponse]
refusals = Refusals()


class APIKeyBearer(HttpBearer):
    """Names the security scheme in the OpenAPI document; the gate has already done the work."""

    def __call__(self, request: HttpRequest) -> Principal:
        return cast(Request, request).principal

    def authenticate(self, request: HttpRequest, token: str) -> Principal:
        return cast(Request, request).principal


def gate(run: Run) -> Run:
    """Wrap an operation's run; every exception on the way becomes the problem of the API's table."""
    operation = cast(Operation, run.__self__)  # type: ignore[attr-defined]
    known_query = _query_names(operation)
    takes_body = any(issubclass(model, BodyModel) for model in operation.models)
    may_spare = operation.methods == ["GET"] and not hasattr(operation.view_func, "always_sent")
    checks_untagged = operation.methods != ["GET"] and etags.IF_MATCH not in getattr(operation.view_func, "headers", ())
    limit = getattr(operation.view_func, "body_limit", requests.DEFAULT_BODY_LIMIT)
    precheck = getattr(operation.view_func, "precheck", None)
    takes_key = hasattr(operation.view_func, "optional_key")
    repeats = operation.methods == ["POST"] and not hasattr(operation.view_func, "only_reads")
    own_limits: tuple[str, ...] = getattr(operation.view_func, "limited_by", ())
    if get_type_hints(operation.view_func)["return"] is HttpResponse:
        run = _direct(operation)

    @wraps(run)
    def guarded(request: Request, **path: Any) -> HttpResponse:
        try:
            drop_dead_connection()
            requests.check_path(request)
            requests.check_query(request, known_query)
            if operation.auth_callbacks or (takes_key and request.META.get("HTTP_AUTHORIZATION")):
                _admit(request, operation, own_limits)
            else:
                rate_limiting.check(request, own_limits)
            if precheck is not None:
                precheck()
            body = _read(request, operation, takes_body=takes_body, limit=limit)
            if checks_untagged:
                etags.check_untagged(request)
            refused = _prove(request, operation)
            key = idempotency.find_key(request) if repeats else None
            if refused is not None:
                response = refused
            else:
                try:
                    response = _perform(request, operation, run, path, key, body)
                except Waiting as pause:
                    found = pause_or_wait(pause, lambda: _perform(request, operation, run, path, key, body))
                    if found is None:
                        return HttpResponse(status=202)
                    response = found
            if response.status_code in (401, 403, 429) and operation.auth_callbacks:
                # The operation refused, such as to grant more than the key holds; its transaction is over.
                _record_refused_principal(request, documents.parse(response.content)["detail"])
            known_copy = request.META.get("HTTP_IF_NONE_MATCH") if may_spare else None
            if known_copy is not None:
                response = etags.spare_known_copy(response, known_copy)
        except Exception as error:
            response = operation.api.on_exception(request, error)
        return response

    return guarded


def _query_names(operation: Operation) -> frozenset[str]:
    models = [model for model in operation.models if issubclass(model, QueryModel)]
    return frozenset(name for model in models for name in model.__ninja_flatten_map__)


def _admit(request: Request, operation: Operation, own_limits: tuple[str, ...]) -> None:
    try:
        principal = authenticate(request)
    except KeyRefused as refusal:
        actor = f"api-key:{refusal.key_id}"
        _record_refusal(refusal.organization_id, refusal.key_id, actor, request, str(refusal))
        raise
    except UserUnknown as refusal:
        if refusal.organization_id is not None:
            actor = f"user:{refusal.user_id}"
            _record_refusal(refusal.organization_id, refusal.user_id, actor, request, str(refusal))
        raise
    request.principal = principal
    origin = current_origin()
    origin.organization, origin.actor = principal.organization, principal.actor
    # Refusals for want of a scope count too: whoever holds a key could ask without end.
    rate_limiting.check(request, own_limits)
    scope: Scope | None = operation.view_func.required_scope  # type: ignore[attr-defined]
    if scope is not None and scope not in principal.scopes:
        _record_refused_principal(request, f"lacks {scope}")
        raise ScopeMissing(f"This operation needs the scope {scope}.")
    if hasattr(operation.view_func, "user_required"):
        _require_user(request)


def _require_user(request: Request) -> None:
    principal = request.principal
    try:
        require_user(principal)
    except UserRequired as refusal:
        _record_refusal(principal.organization_id, principal.key_id, principal.actor, request, str(refusal))
        raise


def _record_refused_principal(request: Request, reason: str) -> None:
    principal = request.principal
    _record_refusal(principal.organization_id, principal.credential_id, principal.actor, request, reason)


def _record_refusal(
    organization_id: uuid.UUID, credential_id: uuid.UUID | None, actor: str, request: Request, reason: str
) -> None:
    """Write one audit entry a minute for each key (or token's user), reason and operation.

    It tells how many went unwritten before it.

    Whoever sees a key's id, which is no secret, could otherwise fill the trail with guesses at the rest. What such a
    stranger asks for does not matter and tells nothing apart.
    """
    admitted = getattr(request, "principal", None) is not None
    repeats = refusals.count((credential_id, reason, *((request.method, request.path) if admitted else ())))
    if repeats is None:
        return
    detail = {"repeats": repeats} if repeats else {}
    with tenancy.organization(organization_id):
        record(
            Action.ACCESS_REFUSED,
            organization_id=organization_id,
            actor=actor,
            subject_type="operation",
            outcome=Outcome.REFUSED,
            method=request.method,
            # Quoted: jsonb takes no NUL, and a path may hold one.
            path=quote(request.path[:300]),
            reason=reason,
            **detail,
        )


def _prove(request: Request, operation: Operation) -> HttpResponse | None:
    """Have the operation's own proof taken, if it needs one; return the problem of a proof that fails."""
    try:
        if (prove := getattr(operation.view_func, "prove", None)) is not None:
            prove(request)
    except Exception as error:
        return operation.api.on_exception(request, error)
    return None


def _direct(operation: Operation) -> Run:
    """Run an operation that makes its own response, without the one that ninja would prepare and throw away."""

    def run(request: HttpRequest, **path: Any) -> HttpResponse:
        try:
            values = operation._get_values(request, path, None)  # type: ignore[arg-type]
            response: HttpResponse = operation.view_func(request, **values)
        except Exception as error:
            return operation.api.on_exception(request, error)
        return response

    return run


def _read(request: Request, operation: Operation, *, takes_body: bool, limit: requests.BodyLimit) -> bytes:
    """Read and parse the body of an operation that takes one; one that takes none must be sent none."""
    body = requests.read_body(request, limit=limit)
    if body and not takes_body and operation.methods != ["GET"]:
        raise requests.UnexpectedBody("This operation takes no body.")
    request.document = requests.parse_body(request, body) if body and takes_body else None
    return body


def _perform(
    request: Request, operation: Operation, run: Run, path: dict[str, Any], key: str | None, body: bytes
) -> HttpResponse:
    """Run the operation once. Where it is to be tried again, what an Idempotency-Key opened has been taken back."""
    if key is None:
        return run(request, **path)
    return _run_once(request, operation, key, body, lambda: run(request, **path))


def _run_once(
    request: Request, operation: Operation, key: str, body: bytes, work: Callable[[], HttpResponse]
) -> HttpResponse:
    if operation.auth_callbacks:
        principal = request.principal
        # The key, not only who bears it: another key of the same agent may hold fewer scopes than the answer shows. All
        # tokens of a user may do the same.
        identity = f"{principal.organization_id}:{principal.credential_id}"
        owned = (principal.organization_id, principal.actor_id)
        if hasattr(operation.view_func, "across_organizations"):
            # The answer may be another organization's. Kept apart from the caller's own, which cannot see it.
            call = idempotency.Repeatable(f"{identity}:across", key, idempotency.fingerprint(request, body))
            with tenancy.system():
                return idempotency.run_once(call, work, owner=lambda: getattr(request, "made_for", owned))
        call = idempotency.Repeatable(identity, key, idempotency.fingerprint(request, body))
        with tenancy.organization(principal.organization_id):
            return idempotency.run_once(call, work, owner=lambda: owned)
    # Here a sign-up derives the hash of its password (0.3 s) inside the transaction: what it makes and the answer that
    # is kept must commit together. Until the user is written it holds no lock but that of its own key.
    call = idempotency.Repeatable(_anonymous(request), key, idempotency.fingerprint(request, body))
    with tenancy.system():
        return idempotency.run_once(call, work, owner=lambda: request.made_for)


def _anonymous(request: Request) -> str:
    """Who calls a public operation is told by the address or the token it names: strangers never share a key.

    And by the key it came with, where it takes one: the answer may show more than another key of the same user may do.
    """
    document = request.document if isinstance(request.document, dict) else {}
    named = document.get("token", document.get("email", ""))
    digest = hashlib.sha256(str(named).strip().lower().encode()).hexdigest()
    principal = getattr(request, "principal", None)
    return f"anonymous:{digest[:40]}" + (f":{principal.credential_id}" if principal else "")
