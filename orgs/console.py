"""Operators signing in, and being refused, are audited."""

from typing import Any

from django.contrib.auth.signals import user_logged_in, user_login_failed
from django.dispatch import receiver

from accounts.models import User
from audit.models import Action, Outcome
from audit.services import record


@receiver(user_logged_in)
def record_sign_in(user: User, **kwargs: Any) -> None:
    record(
        Action.OPERATOR_SIGNED_IN,
        organization_id=None,
        actor=f"operator:{user.id}",
        subject_type="user",
        subject_id=user.id,
    )


@receiver(user_login_failed)
def record_refusal(credentials: dict[str, Any], **kwargs: Any) -> None:
    record(
        Action.OPERATOR_REFUSED,
        organization_id=None,
        actor="anonymous",
        subject_type="user",
        subject_id=str(credentials.get("username", ""))[:64],
        outcome=Outcome.REFUSED,
    )
