"""The operators' console: who signs in, is refused, signs out or changes their password is audited."""

from typing import Any, cast

from django.contrib.admin import AdminSite
from django.contrib.admin.forms import AdminAuthenticationForm
from django.contrib.admin.forms import AdminPasswordChangeForm as OwnPasswordForm
from django.contrib.auth.signals import user_logged_in, user_logged_out, user_login_failed
from django.contrib.auth.views import PasswordChangeView
from django.core.exceptions import ValidationError
from django.dispatch import receiver
from django.http import HttpRequest, HttpResponse
from django.template.response import TemplateResponse
from django.urls import reverse

from accounts.models import User
from audit.models import Action, Outcome
from audit.services import record


@receiver(user_logged_in)
def record_sign_in(user: User, **kwargs: Any) -> None:
    _record(Action.OPERATOR_SIGNED_IN, user)


@receiver(user_logged_out)
def record_sign_out(user: User | None, **kwargs: Any) -> None:
    # A session that had run out names nobody.
    if user is not None:
        _record(Action.OPERATOR_SIGNED_OUT, user)


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


class OwnPasswordView(PasswordChangeView):
    """Django's own, with both outcomes in the trail: whoever sits at an open console may try to guess."""

    form_class = OwnPasswordForm

    def form_valid(self, form: Any) -> HttpResponse:
        response = super().form_valid(form)
        _record(Action.USER_PASSWORD_CHANGED, form.user)
        return response

    def form_invalid(self, form: Any) -> HttpResponse:
        _record(Action.USER_PASSWORD_CHANGED, form.user, Outcome.REFUSED)
        return super().form_invalid(form)


class Console(AdminSite):
    login_form = SignInForm

    def password_change(self, request: HttpRequest, extra_context: dict[str, Any] | None = None) -> TemplateResponse:
        view = OwnPasswordView.as_view(
            success_url=reverse("admin:password_change_done"),
            extra_context={**self.each_context(request), **(extra_context or {})},
        )
        return cast(TemplateResponse, view(request))


def _record(action: Action, user: User, outcome: Outcome = Outcome.SUCCESS) -> None:
    record(
        action,
        organization_id=None,
        actor=f"operator:{user.id}",
        subject_type="user",
        subject_id=user.id,
        outcome=outcome,
    )


def _record_refused(user: User | None) -> None:
    record(
        Action.OPERATOR_REFUSED,
        organization_id=None,
        actor="anonymous",
        subject_type="user",
        subject_id=user.id if user else "",
        outcome=Outcome.REFUSED,
    )
