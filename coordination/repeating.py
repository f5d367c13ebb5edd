"""What an Idempotency-Key is to what happens in Valkey.

The answer is kept in PostgreSQL, and when that fails, what was done in Valkey stays done: no transaction takes it back.
So an effect that may not happen twice is marked with the key there too.
"""

import json

from django.conf import settings
from django.utils.crypto import salted_hmac

from api import idempotency
from coordination.queue_calls import Once
from orgs.principals import Request


def find_mark(request: Request, *subject: str) -> str | None:
    """Return what only a repetition of the call has, or None where it has no Idempotency-Key; raises InvalidHeader.

    The same credential, key and subject give the same mark, as long as SECRET_KEY stays. Nobody without SECRET_KEY can
    make it, so it may serve as a secret of the caller's.
    """
    key = idempotency.find_key(request)
    if key is None:
        return None
    principal = request.principal
    told = json.dumps([principal.organization, str(principal.credential_id), *subject, key])
    return salted_hmac("holdfast repeated calls", told, algorithm="sha256").hexdigest()


def find_once(request: Request, *subject: str) -> Once | None:
    """Return the mark with the time for which a kept answer would be given again."""
    mark = find_mark(request, *subject)
    return None if mark is None else Once(mark, settings.IDEMPOTENCY_HOURS * 3600)
