"""The operators' console: who signs in, is refused, signs out or changes their password is audited."""

from functools import wraps
from typing import Any, cast

from django.conf import settings
from django.contrib.admin import AdminSite
from django.contrib.admin.forms import AdminPasswordChangeForm
from django.contrib.auth import REDIRECT_FIELD_NAME
from django.contrib.auth.signals import user_logged_in, user_logged_out, user_login_failed
from django.contrib.auth.views import PasswordChangeView
from django.dispatch import receiver
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.http.response import HttpResponseBase
from django.template.response import TemplateResponse
from django.urls import path, reverse
from django.utils.decorators import method_decorator
from django.views.decorators.cache import never_cache
from django.views.decorators.csrf import csrf_protect
from django.views.generic import FormView

from accounts import totp
from accounts.models import User
from audit.models import Action, Outcome
from audit.services import record_of_user
from orgs.own_sessions import OwnSessionsView
from orgs.second_factor import EnrolView, FactorView, end_others
from orgs.sign_in import CodeView, SignInView, check_admission, forgive, record_refused


@receiver(user_logged_in)
def record_sign_in(user: User, **kwargs: Any) -> None:
    record_of_user(Action.OPERATOR_SIGNED_IN, user.id, actor=_actor(user))


@receiver(user_logged_out)
def record_sign_out(user: User | None, **kwargs: Any) -> None:
    # A session that had run out names nobody.
    if user is not None:
        record_of_user(Action.OPERATOR_SIGNED_OUT, user.id, actor=_actor(user))


@receiver(user_login_failed)
def record_refusal(credentials: dict[str, Any], **kwargs: Any) -> None:
    """Name the user by id: what was typed into the field for the address may have been the password."""
    found = User.objects.with_email(credentials.get("username")).first()
    record_refused(found)


class OwnPasswordForm(AdminPasswordChangeForm):
    """Django's own, with tries of the old password charged as those of a sign-in are."""

    request: HttpRequest

    def clean_old_password(self) -> str:
        check_admission(self.request)
        old: str = super().clean_old_password()
        # Forgiven also where the new one is refused.
        forgive(self.request)
        return old


class OwnPasswordView(PasswordChangeView):
    """Django's own, with both outcomes in the trail: whoever sits at an open console may try to guess."""

    form_class = OwnPasswordForm

    def get_form(self, form_class: Any = None) -> Any:
        form = super().get_form(form_class)
        form.request = self.request  # type: ignore[attr-defined]
        return form

    def form_valid(self, form: Any) -> HttpResponse:
        response = super().form_valid(form)
        # Django refuses the other sessions by the changed hash; here they leave the list too.
        end_others(self.request)
        record_of_user(Action.USER_PASSWORD_CHANGED, form.user.id, actor=_actor(form.user))
        return response

    def form_invalid(self, form: Any) -> HttpResponse:
        actor = _actor(form.user)
        record_of_user(Action.USER_PASSWORD_CHANGED, form.user.id, actor=actor, outcome=Outcome.REFUSED)
        return super().form_invalid(form)


# What an operator who has to set up the second factor may open before.
BEFORE_ENROLMENT = ("totp-enrol", "logout", "password_change", "password_change_done", "jsi18n")


class Console(AdminSite):
    def get_urls(self) -> list[Any]:
        own = [
            path("login/code/", csrf_protect(never_cache(self._page(CodeView, "Enter your code"))), name="login-code"),
            path("totp/", self._own_page(FactorView, "Two-step sign-in"), name="totp"),
            path("totp/enrol/", self._own_page(EnrolView, "Set up two-step sign-in"), name="totp-enrol"),
            path("sessions/", self._own_page(OwnSessionsView, "Your sessions"), name="own-sessions"),
        ]
        return [*own, *super().get_urls()]

    def _own_page(self, view: "type[FormView[Any]]", title: str) -> Any:
        return self.admin_view(self._page(view, title))

    def _page(self, view: "type[FormView[Any]]", title: str) -> Any:
        def page(request: HttpRequest) -> HttpResponseBase:
            return view.as_view(extra_context={**self.each_context(request), "title": title})(request)

        return page

    def admin_view(self, view: Any, cacheable: bool = False) -> Any:
        guarded = super().admin_view(view, cacheable)

        @wraps(guarded)
        def enrolled_first(request: HttpRequest, *args: Any, **kwargs: Any) -> Any:
            if self._owes_enrolment(request):
                return HttpResponseRedirect(reverse("admin:totp-enrol"))
            return guarded(request, *args, **kwargs)

        return enrolled_first

    def _owes_enrolment(self, request: HttpRequest) -> bool:
        match = request.resolver_match
        if settings.CONSOLE_TOTP != "required" or (match and match.url_name in BEFORE_ENROLMENT):
            return False
        return self.has_permission(request) and totp.find_device(cast(User, request.user)) is None

    @method_decorator(never_cache)
    def login(self, request: HttpRequest, extra_context: dict[str, Any] | None = None) -> Any:
        """As Django's own, but for the view: its name cannot be given."""
        if request.method == "GET" and self.has_permission(request):
            return HttpResponseRedirect(reverse("admin:index"))
        context = {
            **self.each_context(request),
            "title": "Log in",
            "subtitle": None,
            "app_path": request.get_full_path(),
            "username": request.user.get_username(),
            **(extra_context or {}),
        }
        if REDIRECT_FIELD_NAME not in request.GET and REDIRECT_FIELD_NAME not in request.POST:
            context[REDIRECT_FIELD_NAME] = reverse("admin:index")
        return SignInView.as_view(extra_context=context)(request)

    def password_change(self, request: HttpRequest, extra_context: dict[str, Any] | None = None) -> TemplateResponse:
        view = OwnPasswordView.as_view(
            success_url=reverse("admin:password_change_done"),
            extra_context={**self.each_context(request), **(extra_context or {})},
        )
        return cast(TemplateResponse, view(request))


def _actor(user: User) -> str:
    return f"operator:{user.id}"
