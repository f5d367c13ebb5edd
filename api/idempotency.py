"""Idempotency-Key: any POST is safe to repeat (draft-ietf-httpapi-idempotency-key-header).

One that only reads is so by itself: its key is not looked at, and nothing is kept.

The work and its answer commit together. While it runs, an advisory lock of the transaction marks the key as in
flight, so a process that dies leaves neither half-done work nor a key that is stuck. Only success is kept: what
was refused changed nothing, and the same call may succeed later.
"""

import hashlib
import json
import re
import uuid
from collections.abc import Callable
from dataclasses import dataclass
from datetime import timedelta
from typing import Any, TypeVar

from django.conf import settings
from django.db import connection, transaction
from django.http import HttpRequest, HttpResponse
from django.utils import timezone

from api import encryption
from api.models import IdempotentAnswer
from api.requests import InvalidHeader

F = TypeVar("F", bound=Callable[..., Any])
# Without a comma, by which servers join a header that is sent twice.
KEY = re.compile(r"[\x21-\x2b\x2d-\x7e]{1,255}")
PURPOSE = "idempotent answers"
KEPT_HEADERS = ("Content-Type", "ETag", "Location")


class KeyReused(Exception):
    """Raised when an Idempotency-Key comes back with another method, path, query or body."""


class KeyInFlight(Exception):
    """Raised when the first call with an Idempotency-Key has not ended yet."""


class AnswerUnreadable(Exception):
    """Raised when a kept answer was encrypted under a SECRET_KEY that is no longer known; the work was done."""


@dataclass(frozen=True)
class Repeatable:
    """One POST with an Idempotency-Key, belonging to one principal."""

    principal: str
    key: str
    fingerprint: str

    @property
    def lock(self) -> int:
        """A signed 64-bit number for pg_try_advisory_xact_lock."""
        digest = hashlib.sha256(f"{self.principal}\n{self.key}".encode()).digest()
        return int.from_bytes(digest[:8], signed=True)


def only_reads(operation: F) -> F:
    """Declare that a POST changes nothing: whatever Idempotency-Key it comes with, it is done each time."""
    operation.only_reads = True  # type: ignore[attr-defined]
    return operation


def find_key(request: HttpRequest) -> str | None:
    """Return the request's Idempotency-Key, or None when it has none; raises InvalidHeader."""
    key = request.META.get("HTTP_IDEMPOTENCY_KEY")
    if key is not None and not KEY.fullmatch(key):
        raise InvalidHeader("Idempotency-Key must be sent once, as 1 to 255 visible ASCII characters without a comma.")
    return key


def fingerprint(request: HttpRequest, body: bytes) -> str:
    digest = hashlib.sha256(f"{request.method} {request.get_full_path()}\n".encode())
    digest.update(body)
    return digest.hexdigest()


def run_once(
    call: Repeatable, work: Callable[[], HttpResponse], *, owner: Callable[[], tuple[uuid.UUID, uuid.UUID]]
) -> HttpResponse:
    """Return the kept answer, or do the work and keep its answer.

    Runs inside the caller's transaction (with its tenancy set). An answer that is not a success rolls that
    transaction back. `owner` gives organization and owner once the work is done. Raises KeyReused, KeyInFlight,
    AnswerUnreadable.
    """
    with connection.cursor() as cursor:
        cursor.execute("SELECT pg_try_advisory_xact_lock(%s)", [call.lock])
        if not cursor.fetchone()[0]:
            raise KeyInFlight("The first call with this Idempotency-Key is still being answered.")
    now = timezone.now()
    kept = IdempotentAnswer.objects.filter(principal=call.principal, key=call.key).first()
    if kept is not None and kept.expires_at > now:
        return _replay(call, kept)
    response = work()
    if not 200 <= response.status_code < 300:
        transaction.set_rollback(True)
        return response
    if kept is not None:
        kept.delete()
    organization_id, owner_id = owner()
    IdempotentAnswer.objects.create(
        organization_id=organization_id,
        owner_id=owner_id,
        principal=call.principal,
        key=call.key,
        fingerprint=call.fingerprint,
        answer=_encrypt(response),
        expires_at=now + timedelta(hours=settings.IDEMPOTENCY_HOURS),
    )
    return response


def _replay(call: Repeatable, kept: IdempotentAnswer) -> HttpResponse:
    if kept.fingerprint != call.fingerprint:
        raise KeyReused("This Idempotency-Key was used for another call.")
    answer = _decrypt(kept.answer)
    response = HttpResponse(answer["body"], status=answer["status"], headers=answer["headers"])
    response.headers["Idempotency-Replayed"] = "true"
    return response


def _encrypt(response: HttpResponse) -> str:
    headers = {name: response.headers[name] for name in KEPT_HEADERS if name in response.headers}
    plain = {"status": response.status_code, "headers": headers, "body": response.content.decode()}
    return encryption.encrypt(json.dumps(plain), purpose=PURPOSE)


def _decrypt(answer: str) -> dict[str, object]:
    plain = encryption.decrypt(answer, purpose=PURPOSE)
    if plain is None:
        raise AnswerUnreadable("The kept answer was encrypted under a SECRET_KEY that is gone; the work was done once.")
    return dict(json.loads(plain))
