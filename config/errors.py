"""The one table of errors: exception, status, stable code, title; and the responses Django itself makes."""

import logging
import math
import re
import sys
from dataclasses import replace
from typing import Any

from django.core.exceptions import ObjectDoesNotExist
from django.db import InterfaceError, OperationalError
from django.http import Http404, HttpRequest, HttpResponse
from django.http.request import UnreadablePostError
from ninja import NinjaAPI
from ninja.errors import HttpError, ValidationError

from accounts import stores
from accounts.erasing import LastOperator
from accounts.exporting import ExportTooLarge
from accounts.oidc import key_sets, tokens
from api import cursors, documents, etags, idempotency, requests, waiting
from api.middleware import METHOD_NOT_ALLOWED
from api.problems import Problem, problem_response
from config import bodies
from coordination import connections, entries, fencing, lock_calls, locks, names, queue_messages, rate_limits
from coordination.api import cache
from coordination.bodies import ValuesTooLarge
from orgs import authentication, bearers, limits, permissions, principals, rate_limiting
from orgs.api import me, organizations
from orgs.services import (
    accepting,
    api_keys,
    constraints,
    exporting,
    invitations,
    key_policy,
    key_powers,
    key_rotation,
    members,
    organization_deletion,
    people,
    person_erasing,
    proving,
    users,
)
from sessions_store import services as sessions_services
from tasks import hot_paths, leases

logger = logging.getLogger("holdfast.errors")

# What pydantic says in Python's words, in those of JSON.
IN_JSON = {
    "model_type": "Input should be an object",
    "model_attributes_type": "Input should be an object",
    "dict_type": "Input should be an object",
    "list_type": "Input should be an array",
    "string_type": "Input should be a string",
    "bool_type": "Input should be true or false",
    "int_from_float": "Input should be an integer",
    "missing": "Field is missing",
    "extra_forbidden": "Field is unknown here",
}
AFTER_VALIDATION = re.compile(r" after validation, not \d+$")

NOT_FOUND = Problem(404, "not-found", "There is no such thing here.")
INVALID = Problem(422, "invalid", "The request does not have the form that this operation takes.")
UNAVAILABLE = Problem(503, "database-unavailable", "The database cannot be reached just now; try again.")
BUSY = Problem(503, "database-busy", "Another write was in the way; nothing was changed in the database, try again.")
TIMEOUT = Problem(503, "database-timeout", "The database took too long; nothing was changed in it.")
EXHAUSTED = Problem(503, "database-exhausted", "The database has run out of room; nothing was changed in it.")
TOO_MUCH = Problem(413, "limit-exceeded", "The answer or the change is larger than the database can hold.")
INTERNAL = Problem(500, "internal-error", "The service failed; nothing was changed in the database.")
BAD_REQUEST = Problem(400, "bad-request", "The request cannot be understood.")
VALUE_TOO_LARGE = Problem(400, "value-too-large", "The value is too large.")
NO_VALID_KEY = Problem(401, "unauthenticated", "A valid API key is needed.")

TABLE: dict[type[Exception], Problem] = {
    ObjectDoesNotExist: NOT_FOUND,
    Http404: NOT_FOUND,
    hot_paths.ArtifactMissing: Problem(404, "artifact-not-found", "The task has no such artifact."),
    documents.InvalidJSON: Problem(400, "invalid-json", "The body is not strict JSON."),
    documents.TooManyValues: Problem(413, "too-many-values", "The document has too many values."),
    requests.InvalidHeader: Problem(400, "invalid-header", "A header does not have its form."),
    requests.BodyTooLarge: Problem(413, "body-too-large", "The body is too large."),
    requests.InvalidPath: BAD_REQUEST,
    ValuesTooLarge: VALUE_TOO_LARGE,
    bodies.BodyTooSlow: Problem(408, "body-too-slow", "The body did not come in time."),
    bodies.TooManyBodies: Problem(503, "too-many-bodies", "Too many large bodies are under way; try again."),
    bodies.TooManyAnswers: Problem(503, "too-many-answers", "Too many large answers are under way; try again."),
    requests.UnsupportedMediaType: Problem(415, "unsupported-media-type", "The body is not sent as JSON."),
    requests.InvalidParameter: Problem(
        422, "invalid-parameter", "A query parameter is not one that this operation takes."
    ),
    waiting.InvalidWait: Problem(400, "invalid-wait", "A wait is negative, too long, or no number."),
    waiting.TooManyWaits: Problem(503, "too-many-waits", "Too many calls wait; try again, or without a wait."),
    requests.UnexpectedBody: Problem(422, "unexpected-body", "This operation takes no body."),
    cursors.InvalidCursor: Problem(422, "invalid-cursor", "The cursor does not belong here."),
    # Ninja's own, for a body that its parser cannot read; the gate has parsed the body before.
    HttpError: BAD_REQUEST,
    UnreadablePostError: Problem(400, "body-incomplete", "The connection ended before the body did."),
    etags.PreconditionFailed: Problem(412, "precondition-failed", "The subject has changed since it was read."),
    idempotency.KeyReused: Problem(422, "idempotency-key-reused", "The Idempotency-Key belongs to another call."),
    idempotency.KeyInFlight: Problem(409, "idempotency-key-in-flight", "The first call with this key still runs."),
    idempotency.AnswerUnreadable: Problem(
        409, "idempotency-answer-unreadable", "The work was done; its answer is lost."
    ),
    authentication.Unauthenticated: replace(NO_VALID_KEY, bearer_error=""),
    authentication.KeyUnknown: NO_VALID_KEY,
    authentication.KeyRefused: NO_VALID_KEY,
    authentication.KeyExpired: Problem(401, "api-key-expired", "The API key has expired."),
    authentication.KeyRevoked: Problem(401, "api-key-revoked", "The API key was revoked."),
    authentication.OrganizationMismatch: Problem(
        403, "organization-mismatch", "The API key belongs to another organization."
    ),
    bearers.OrganizationRequired: Problem(400, "organization-required", "Say for which organization you call."),
    bearers.NotAMember: NOT_FOUND,
    bearers.UserUnknown: Problem(401, "user-unknown", "The token's subject is no user here."),
    tokens.TokenInvalid: Problem(401, "token-invalid", "The token is malformed, or not signed by its issuer."),
    tokens.TokenIssuerUnknown: Problem(401, "token-issuer-unknown", "Tokens of this issuer are not taken."),
    tokens.TokenAudienceWrong: Problem(401, "token-audience-wrong", "The token is for another service."),
    tokens.TokenExpired: Problem(401, "token-expired", "The token has expired."),
    tokens.TokenNotYetValid: Problem(401, "token-not-yet-valid", "The token is not valid yet."),
    key_sets.KeysUnavailable: Problem(503, "token-keys-unavailable", "The issuer's keys cannot be read just now."),
    rate_limiting.Uncounted: Problem(503, "rate-limit-unavailable", "Calls cannot be counted just now; try again."),
    rate_limiting.RateLimited: Problem(429, "rate-limited", "More calls than a limit allows."),
    permissions.ScopeMissing: Problem(403, "scope-missing", "The API key or token lacks a scope."),
    principals.UserRequired: Problem(403, "user-required", "The API key acts as no user."),
    person_erasing.ConfirmationRefused: Problem(403, "confirmation-refused", "Address or password are not the user's."),
    LastOperator: Problem(409, "last-operator", "Nobody would be left who may do everything in the console."),
    exporting.ExportBusy: Problem(503, "export-busy", "Another export is being made."),
    ExportTooLarge: Problem(413, "export-too-large", "The export is too large to be answered."),
    me.SignUpClosed: Problem(403, "sign-up-closed", "Sign-up is closed."),
    organizations.OrganizationCreationClosed: Problem(
        403, "organization-creation-closed", "Users make no organizations here."
    ),
    limits.LimitReached: Problem(409, "limit-reached", "There are as many as there may be."),
    organization_deletion.ConfirmationMissing: Problem(422, "confirmation-missing", "The deletion is not confirmed."),
    constraints.EmailTaken: Problem(409, "email-taken", "The e-mail address is taken."),
    constraints.SlugTaken: Problem(409, "slug-taken", "The slug is taken."),
    constraints.AlreadyMember: Problem(409, "already-member", "This user is a member already."),
    constraints.InvitationExists: Problem(409, "invitation-exists", "This address is invited already."),
    members.UserInactive: Problem(409, "user-inactive", "The user's account is deactivated."),
    members.LastOwner: Problem(409, "last-owner", "The organization would be left without an owner."),
    members.TransferRefused: Problem(409, "transfer-refused", "The organization cannot be transferred so."),
    invitations.TooManyInvitations: Problem(409, "too-many-invitations", "Too many invitations are pending."),
    invitations.InvitationUsed: Problem(410, "invitation-used", "The invitation was accepted before."),
    invitations.InvitationRevoked: Problem(410, "invitation-revoked", "The invitation was revoked."),
    accepting.InvitationExpired: Problem(410, "invitation-expired", "The invitation has expired."),
    accepting.InvitationForAnother: Problem(403, "invitation-for-another", "The invitation is for another user."),
    accepting.PasswordWrong: Problem(401, "password-wrong", "The password is not that of the invited user."),
    proving.TooManyAttempts: Problem(429, "too-many-attempts", "Too many passwords were tried."),
    people.WeakPassword: Problem(422, "weak-password", "The password is too weak."),
    key_policy.InvalidExpiry: Problem(422, "invalid-expiry", "The key cannot expire then."),
    key_powers.EnvironmentRefused: Problem(403, "environment-refused", "The calling key is for another environment."),
    key_rotation.KeyRotated: Problem(409, "api-key-rotated", "The key has been replaced already."),
    key_rotation.KeyOverlapping: Problem(409, "api-key-overlapping", "The key that it replaces still works."),
    key_rotation.KeyEnded: Problem(409, "api-key-ended", "The key has ended and cannot be replaced."),
    key_rotation.KeyMissing: Problem(403, "api-key-required", "This is for those who call with an API key."),
    api_keys.UnknownReference: Problem(422, "unknown-reference", "The body names something that is not there."),
    sessions_services.StateTooLarge: Problem(413, "state-too-large", "The state is too large."),
    hot_paths.LeaseLost: Problem(409, "lease-lost", "The lease is over."),
    hot_paths.TaskLeased: Problem(409, "task-leased", "A worker holds the task."),
    hot_paths.TaskTerminal: Problem(409, "task-terminal", "The task has ended."),
    hot_paths.TransitionRefused: Problem(409, "transition-refused", "The task cannot change to this state."),
    hot_paths.ArtifactExists: Problem(409, "artifact-exists", "The task has an artifact of this id."),
    hot_paths.ArtifactComplete: Problem(409, "artifact-complete", "The artifact is complete."),
    leases.LeaseTokenMissing: Problem(422, "lease-token-missing", "The lease's token is missing."),
    users.PreferencesTooLarge: Problem(413, "preferences-too-large", "The preferences are too large."),
    stores.SettingsTooLarge: Problem(413, "settings-too-large", "The settings are too large."),
    names.InvalidName: Problem(400, "invalid-name", "A name is empty, too long, or holds what no name may hold."),
    names.InvalidTTL: Problem(400, "invalid-ttl", "A time to live is zero, below, or too long."),
    names.InvalidValue: Problem(400, "invalid-value", "The value is not JSON."),
    names.ValueTooLarge: VALUE_TOO_LARGE,
    rate_limits.InvalidLimit: Problem(400, "invalid-limit", "A rate limit cannot be this large or this small."),
    rate_limits.InvalidWindow: Problem(400, "invalid-window", "A window is shorter than 1 ms or longer than a day."),
    rate_limits.InvalidCost: Problem(400, "invalid-cost", "A cost is below one or above the limit."),
    entries.BatchTooLarge: Problem(400, "batch-too-large", "There are more names than are taken at once."),
    cache.NotCached: NOT_FOUND,
    cache.CacheUnavailable: Problem(404, "cache-unavailable", "Nothing is found: Valkey cannot be reached just now."),
    queue_messages.QueueMissing: NOT_FOUND,
    queue_messages.QueueFull: Problem(409, "queue-full", "The queue has as many messages as it may have."),
    queue_messages.TooManyQueues: Problem(409, "limit-reached", "There are as many as there may be."),
    queue_messages.PushedOtherwise: Problem(
        422, "idempotency-key-reused", "The Idempotency-Key belongs to another call."
    ),
    queue_messages.InvalidReceipt: Problem(400, "invalid-receipt", "The receipt is none that a queue gave."),
    queue_messages.ReceiptStale: Problem(409, "receipt-stale", "The message is no longer the receipt's."),
    locks.LockNotHeld: NOT_FOUND,
    lock_calls.InvalidToken: Problem(400, "invalid-lock-token", "A lock token is too short, too long, or no ASCII."),
    lock_calls.LockHeld: Problem(409, "lock-held", "Another holds the lock."),
    lock_calls.LockLost: Problem(409, "lock-lost", "The lock is not held by this token."),
    fencing.FencingNumberStale: Problem(409, "fencing-number-stale", "A later holder of the lock has written since."),
    connections.Unavailable: Problem(503, "valkey-unavailable", "Valkey cannot be reached just now; try again."),
    connections.KeyMisused: Problem(503, "valkey-key-misused", "A key in Valkey is of another type than ours."),
    connections.ClusterRefused: Problem(503, "valkey-cluster", "Valkey runs in cluster mode, which is not supported."),
    OperationalError: UNAVAILABLE,
    InterfaceError: UNAVAILABLE,
}
# What an OperationalError means, by its SQLSTATE or the class of it (PostgreSQL, appendix A); else UNAVAILABLE.
STATES = {
    "40": BUSY,  # serialization failure, deadlock
    "55P03": BUSY,  # lock_timeout
    "57014": TIMEOUT,  # statement_timeout
    "53": EXHAUSTED,  # disk full, out of memory, too many connections
    "54": TOO_MUCH,
}
# Given without an exception of ours behind them.
BARE = (*dict.fromkeys(STATES.values()), INVALID, INTERNAL, METHOD_NOT_ALLOWED)
# What PostgreSQL raises while it runs; the driver's words stay in the log.
SILENT = (ObjectDoesNotExist, Http404, OperationalError, InterfaceError)


def install(api: NinjaAPI) -> None:
    """Have the API answer each exception of the table by its problem."""
    handlers: dict[type[Exception], Any] = dict.fromkeys(TABLE, answer)
    handlers |= {ValidationError: _answer_invalid, rate_limiting.RateLimited: _answer_limited}
    for exception, handler in handlers.items():
        api.add_exception_handler(exception, handler)


def find_problem(error: Exception) -> Problem | None:
    problem = next((TABLE[kind] for kind in type(error).__mro__ if kind in TABLE), None)
    if problem is not UNAVAILABLE:
        return problem
    state = getattr(error.__cause__, "sqlstate", None) or ""
    return STATES.get(state) or STATES.get(state[:2], UNAVAILABLE)


def answer(request: HttpRequest, error: Exception) -> HttpResponse:
    """Answer an exception by its row."""
    problem = find_problem(error) or INTERNAL
    if isinstance(error, OperationalError | InterfaceError):
        logger.error(problem.code, exc_info=error)
    response = problem_response(problem, "" if isinstance(error, SILENT) else str(error))
    if isinstance(error, lock_calls.LockHeld):
        response["Retry-After"] = str(math.ceil(error.seconds))
    return response


def _answer_limited(request: HttpRequest, error: rate_limiting.RateLimited) -> HttpResponse:
    """Name the limits, in the member that draft-ietf-httpapi-ratelimit-headers has for them, and when to come again."""
    problem = TABLE[rate_limiting.RateLimited]
    response = problem_response(problem, str(error), {"violated-policies": error.violated})
    response.headers["Retry-After"] = str(error.retry_after)
    return response


def _answer_invalid(request: HttpRequest, error: ValidationError) -> HttpResponse:
    """List the fields at fault: where the value stands, what is wrong; the value itself is not repeated."""
    errors = [_field_error(found) for found in error.errors]
    # A path that is no identifier names nothing.
    if any(found["in"] == "path" for found in errors):
        return problem_response(NOT_FOUND)
    summary = "; ".join(f"{found['field']}: {found['message']}" for found in errors[:3])
    return problem_response(INVALID, summary, {"errors": errors[:100]})


def _field_error(found: dict[str, Any]) -> dict[str, str]:
    source, *path = found["loc"]
    # The first step is the operation's own parameter name, which callers do not know.
    if (source == "body" and path and path[0] in ("body", "state", "patch")) or path[:1] == ["filters"]:
        path = path[1:]
    return {
        "in": str(source),
        "field": ".".join(str(step) for step in path) or str(source),
        "message": _sentence(found),
        "type": str(found["type"]),
    }


def _sentence(found: dict[str, Any]) -> str:
    if found["type"] == "value_error":
        return str(found["ctx"]["error"])
    said = IN_JSON.get(found["type"]) or str(found["msg"])
    return AFTER_VALIDATION.sub("", said).replace("List should", "Array should", 1)


def not_found(request: HttpRequest, exception: Exception) -> HttpResponse:
    """Answer a path that no route has."""
    return problem_response(NOT_FOUND, "This path does not exist.")


def bad_request(request: HttpRequest, exception: Exception) -> HttpResponse:
    """Answer what Django refuses before any view, such as a host that is not allowed."""
    return problem_response(BAD_REQUEST)


def server_error(request: HttpRequest) -> HttpResponse:
    """Answer a defect, or a database that fails the console; the API's operations have answered theirs before.

    Django has logged the exception with the request id. It calls this while it handles it and passes nothing of it on.
    """
    error = sys.exc_info()[1]
    problem = find_problem(error) if isinstance(error, OperationalError | InterfaceError) else None
    return problem_response(problem or INTERNAL)
