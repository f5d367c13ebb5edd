"""Signing in to the console: each try is charged before it is made; where there is a second factor it is asked for.

Nobody is signed in between password and code: the session only remembers, for some minutes, whose password was right.
"""

from collections.abc import Callable
from datetime import timedelta
from typing import Any, cast

from django import forms
from django.conf import settings
from django.contrib.admin.forms import AdminAuthenticationForm
from django.contrib.auth import login
from django.contrib.auth.forms import UsernameField
from django.contrib.auth.views import LoginView
from django.contrib.sessions.middleware import SessionMiddleware
from django.core.exceptions import ValidationError
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.http.response import HttpResponseBase
from django.middleware.csrf import CsrfViewMiddleware
from django.urls import reverse
from django.utils import timezone
from django.utils.crypto import constant_time_compare
from django.views.generic import FormView

from accounts import lockout, totp
from accounts.console_sessions import Visitor
from accounts.models import User
from accounts.passwords import MOST_CHARACTERS
from api.requests import client_address
from audit.models import Action, Outcome
from audit.services import record
from orgs import rate_limiting, tenancy

HELD = "sign_in"
HELD_FOR = timedelta(minutes=5)
WRONG_CODE = "This is not a code that works now. One that was used does not work again."


class VisitorMiddleware(SessionMiddleware):
    """Django's own, which tells the session's store who is there."""

    def process_request(self, request: HttpRequest) -> None:
        super().process_request(request)
        agent = "".join(letter for letter in request.META.get("HTTP_USER_AGENT", "") if letter.isprintable())
        request.session.visitor = Visitor(client_address(request), agent[:300])  # type: ignore[attr-defined]


class AttemptMiddleware:
    """Charge a try before the console's transaction begins, in one of its own, and record a wait after it.

    Before that it is held to the limit of its address; one beyond it, or that cannot be counted, gets its page with a
    sentence, and nothing is looked at.
    A form without its token is none: what another site sends from an operator's browser costs the operator nothing.
    """

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponseBase]) -> None:
        self.get_response = get_response
        self.csrf = CsrfViewMiddleware(cast(Any, get_response))

    def __call__(self, request: HttpRequest) -> HttpResponseBase:
        request.admission, request.refusal = None, ""  # type: ignore[attr-defined]
        find_account = TRIED.get(request.path)
        if request.method != "POST" or find_account is None:
            return self.get_response(request)
        self.csrf.process_request(request)
        if (refusal := self.csrf.process_view(request, self.get_response, (), {})) is not None:
            return refusal
        try:
            rate_limiting.check(request, ("sign-in",))
        except rate_limiting.RateLimited as limited:
            return self._show(request, str(limited), status=429, retry_after=limited.retry_after)
        except rate_limiting.Uncounted as uncounted:
            return self._show(request, str(uncounted), status=503, retry_after=1)
        admission = _admit(request, find_account)
        request.admission = admission  # type: ignore[attr-defined]
        response = self.get_response(request)
        if admission and admission.closing and not admission.forgiven:
            with tenancy.system():
                lockout.record_wait(admission)
        return response

    def _show(self, request: HttpRequest, sentence: str, *, status: int, retry_after: int) -> HttpResponseBase:
        """Answer with the form and why it was not looked at; without an admission no view looks at what was typed."""
        request.refusal = sentence  # type: ignore[attr-defined]
        response = self.get_response(request)
        if response.status_code == 200:
            response.status_code = status
            response.headers["Retry-After"] = str(retry_after)
        return response


def _admit(request: HttpRequest, find_account: Callable[[HttpRequest], str | None]) -> lockout.Admission | None:
    with tenancy.system():
        account = find_account(request)
        source = lockout.source_of(client_address(request))
        return lockout.charge(account, source, now=timezone.now()) if account else None


def _typed_account(request: HttpRequest) -> str | None:
    """Return the account as the form will read it; None where it will refuse what was typed."""
    try:
        typed = UsernameField(max_length=254).clean(request.POST.get("username"))
    except ValidationError:
        return None
    return lockout.account_of(typed)


def _held_account(request: HttpRequest) -> str | None:
    user = find_held(request)
    return lockout.name_of(user) if user else None


def _own_account(request: HttpRequest) -> str | None:
    return lockout.name_of(request.user) if isinstance(request.user, User) else None


# Where a password or a code can be guessed, and whose.
TRIED: dict[str, Callable[[HttpRequest], str | None]] = {
    "/admin/login/": _typed_account,
    "/admin/login/code/": _held_account,
    "/admin/password_change/": _own_account,
    "/admin/totp/": _own_account,
}


def check_admission(request: HttpRequest) -> lockout.Admission:
    """Return the admission of a try that may be made now; raises ValidationError."""
    admission: lockout.Admission | None = request.admission  # type: ignore[attr-defined]
    if admission is None or admission.locked:
        raise ValidationError(request.refusal or lockout.REFUSAL, code="locked")  # type: ignore[attr-defined]
    return admission


def forgive(request: HttpRequest, *, signed_in: bool = False) -> None:
    lockout.forgive(check_admission(request), now=timezone.now(), signed_in=signed_in)


def record_refused(user: User | None) -> None:
    record(
        Action.OPERATOR_REFUSED,
        organization_id=None,
        actor="anonymous",
        subject_type="user",
        subject_id=user.id if user else "",
        outcome=Outcome.REFUSED,
    )


class SignInForm(AdminAuthenticationForm):
    """Django's own, which refuses those who are no operators without telling anyone, and knows no waits."""

    password = forms.CharField(
        max_length=MOST_CHARACTERS,
        strip=False,
        widget=forms.PasswordInput(attrs={"autocomplete": "current-password"}),
    )

    def clean(self) -> dict[str, Any]:
        if self.cleaned_data.get("username") and self.cleaned_data.get("password"):
            assert self.request is not None
            check_admission(self.request)
        return super().clean()

    def confirm_login_allowed(self, user: Any) -> None:
        try:
            super().confirm_login_allowed(user)
        except ValidationError:
            record_refused(user)
            raise


class SignInView(LoginView):
    """Django's own for those without a second factor; the others go on to their code."""

    authentication_form = SignInForm
    template_name = "admin/login.html"

    def form_valid(self, form: Any) -> HttpResponse:
        user = form.get_user()
        if totp.find_device(user) is None:
            return complete(self.request, user, self.get_success_url())
        forgive(self.request)
        _hold(self.request, user, self.get_success_url())
        return HttpResponseRedirect(reverse("admin:login-code"))


class CodeForm(forms.Form):
    code = forms.CharField(
        max_length=64,
        help_text="Six digits from your authenticator, or one of your backup codes.",
        widget=forms.TextInput(attrs={"autocomplete": "one-time-code", "autofocus": True, "size": 24}),
    )


class CodeView(FormView):  # type: ignore[type-arg]
    """The second step of a sign-in."""

    form_class = CodeForm
    template_name = "admin/login_code.html"

    def dispatch(self, request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponseBase:
        user = find_held(request)
        if user is None:
            return HttpResponseRedirect(reverse("admin:login"))
        self.user = user
        return super().dispatch(request, *args, **kwargs)

    def form_valid(self, form: CodeForm) -> HttpResponse:
        try:
            check_admission(self.request)
        except ValidationError as refusal:
            form.add_error(None, refusal)
            return self.form_invalid(form)
        if not totp.take(self.user, form.cleaned_data["code"], now=timezone.now()):
            record_refused(self.user)
            form.add_error("code", WRONG_CODE)
            return self.form_invalid(form)
        return complete(self.request, self.user, self.request.session.pop(HELD)["next"])


def complete(request: HttpRequest, user: User, path: str) -> HttpResponse:
    login(request, user, backend=settings.AUTHENTICATION_BACKENDS[0])
    forgive(request, signed_in=True)
    return HttpResponseRedirect(path)


def _hold(request: HttpRequest, user: User, path: str) -> None:
    """Remember whose password was right, under a new key: the old one may be known to who sent it here."""
    request.session.cycle_key()
    request.session[HELD] = {
        "user": str(user.id),
        "hash": user.get_session_auth_hash(),
        "until": (timezone.now() + HELD_FOR).timestamp(),
        "next": path,
    }


def find_held(request: HttpRequest) -> User | None:
    """Return who has given the password and owes the code: still an operator, with the same password."""
    held = request.session.get(HELD)
    if held is None or held["until"] <= timezone.now().timestamp():
        return None
    user = User.objects.filter(id=held["user"], is_active=True, is_staff=True).first()
    same = user is not None and constant_time_compare(held["hash"], user.get_session_auth_hash())
    return user if same else None
