"""Operators signing in, and being refused, are audited."""

from typing import Any

from django.contrib import admin
from django.contrib.admin.forms import AdminAuthenticationForm
from django.contrib.auth.signals import user_logged_in, user_login_failed
from django.core.exceptions import ValidationError
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
    """Name the user by id: what was typed into the field for the address may have been the password."""
    found = User.objects.with_email(credentials.get("username")).first()
    _record_refused(found)


class SignInForm(AdminAuthenticationForm):
    """Django's own, which refuses those who are no operators without telling anyone."""

    def confirm_login_allowed(self, user: Any) -> None:
        try:
            super().confirm_login_allowed(user)
        except ValidationError:
            _record_refused(user)
            raise


admin.site.login_form = SignInForm


def _record_refused(user: User | None) -> None:
    record(
        Action.OPERATOR_REFUSED,
        organization_id=None,
        actor="anonymous",
        subject_type="user",
        subject_id=user.id if user else "",
        outcome=Outcome.REFUSED,
    )
