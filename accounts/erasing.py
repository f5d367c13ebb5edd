"""Beginning and ending the erasure of a person, and erasing what this app and Django's own hold of one.

All inside the system scope that the caller has opened.
"""

import uuid
from datetime import datetime, timedelta

from django.contrib.admin.models import LogEntry
from django.contrib.contenttypes.models import ContentType

from accounts.holdings import delete_batch, kept
from accounts.models import (
    POWERS,
    BackupCode,
    ConsoleSession,
    Erasure,
    FailureCount,
    LinkedIdentity,
    TOTPDevice,
    User,
    UserSettings,
)
from accounts.receipts import sign
from api.documents import timestamp
from api.models import IdempotentAnswer
from audit.models import Action
from audit.services import record_of_user

# In place of the address in Django's log of what operators did to the user.
NOBODY = "erased user"


class LastOperator(Exception):
    """Raised when nobody would be left who may do everything in the console."""


def begin_erasure(user_id: uuid.UUID, *, by: str, now: datetime) -> Erasure:
    """Write down that the user is to be erased, and deactivate them; one who was begun already is not begun again.

    Raises User.DoesNotExist, LastOperator.
    """
    # In the order in which a batch locks them; what batches have counted is not written over.
    Erasure.objects.select_for_update().filter(user_id=user_id).first()
    user = User.objects.select_for_update(no_key=True).get(id=user_id)
    _spare_last_operator(user)
    erasure, begun = Erasure.objects.select_for_update().get_or_create(
        user_id=user_id, defaults={"requested_at": now, "refused_at": now, "requested_by": by}
    )
    if begun:
        record_of_user(Action.USER_ERASURE_REQUESTED, user_id, actor=by)
    keep_out(erasure, now=now)
    return erasure


def keep_out(erasure: Erasure, *, now: datetime) -> None:
    """Deactivate the user, also one whom an operator has activated anew; what they began meanwhile must end first."""
    if User.objects.filter(id=erasure.user_id, is_active=True).update(is_active=False):
        erasure.refused_at = now
        erasure.save(update_fields=["refused_at"])


def _spare_last_operator(user: User) -> None:
    """Of two operators erased at once the second waits, and counts anew."""
    if not all(getattr(user, power) for power in POWERS):
        return
    operators = User.objects.filter(**dict.fromkeys(POWERS, True)).order_by("id").select_for_update(no_key=True)
    if {operator.id for operator in operators} <= {user.id}:
        raise LastOperator("This is the last operator who may do everything here.")


def end_erasure(erasure: Erasure, *, now: datetime) -> None:
    """Delete the user, of whom nothing else is left, and sign the receipt. The caller holds the erasure's lock."""
    User.objects.filter(id=erasure.user_id).delete()
    erasure.finished_at = now
    erasure.receipt = sign(
        {
            "receipt_id": str(erasure.id),
            "user_id": str(erasure.user_id),
            "requested_at": timestamp(erasure.requested_at),
            "finished_at": timestamp(now),
            "erased": erasure.counts,
            "kept": kept(),
        }
    )
    erasure.save(update_fields=["finished_at", "receipt"])
    record_of_user(
        Action.USER_ERASED,
        erasure.user_id,
        actor=erasure.requested_by,
        erased=erasure.counts,
    )


def is_quiet(erasure: Erasure, *, settle: timedelta, now: datetime) -> bool:
    """Has all that the user may have begun while they were still believed come to its end?"""
    return now >= erasure.refused_at + settle


def delete_admin_log(user_id: uuid.UUID, actor: str) -> dict[str, int]:
    """Delete what Django's log has of the user's doings; in what others did to the user, take away the address."""
    about = LogEntry.objects.filter(
        content_type=ContentType.objects.get_for_model(User), object_id=str(user_id)
    ).exclude(object_repr=NOBODY)
    about.update(object_repr=NOBODY, change_message="")
    return {"admin_log": delete_batch(LogEntry.objects.filter(user_id=user_id))}


def delete_settings(user_id: uuid.UUID, actor: str) -> dict[str, int]:
    return {"settings": delete_batch(UserSettings.objects.filter(user_id=user_id))}


def delete_sign_ins(user_id: uuid.UUID, actor: str) -> dict[str, int]:
    """Delete what the console knows of an operator's sign-ins: sessions, failures, the second factor."""
    return {
        "console_sessions": delete_batch(ConsoleSession.objects.filter(user_id=user_id)),
        "failure_counts": delete_batch(FailureCount.objects.filter(account=f"user:{user_id}")),
        "totp_devices": delete_batch(TOTPDevice.objects.filter(user_id=user_id)),
        "backup_codes": delete_batch(BackupCode.objects.filter(user_id=user_id)),
    }


def delete_identities(user_id: uuid.UUID, actor: str) -> dict[str, int]:
    return {"identities": delete_batch(LinkedIdentity.objects.filter(user_id=user_id))}


def delete_answers(user_id: uuid.UUID, actor: str) -> dict[str, int]:
    return {"idempotent_answers": delete_batch(IdempotentAnswer.objects.filter(owner_id=user_id))}
