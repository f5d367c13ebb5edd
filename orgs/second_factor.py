"""An operator's own second factor: set up with a drawn code, given new backup codes, taken away again."""

from typing import Any

import segno
from django import forms
from django.core.exceptions import ValidationError
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.urls import reverse
from django.utils import timezone
from django.utils.safestring import mark_safe
from django.views.generic import FormView

from accounts import totp
from accounts.console_sessions import digest
from accounts.models import BackupCode, ConsoleSession, User
from accounts.passwords import MOST_CHARACTERS
from orgs.sign_in import WRONG_CODE, CodeForm, check_admission, forgive, record_refused


def own(request: HttpRequest) -> User:
    assert isinstance(request.user, User)
    return request.user


def end_others(request: HttpRequest) -> int:
    """End the user's sessions but this one; return how many there were."""
    key = digest(request.session.session_key or "")
    ended: int = ConsoleSession.objects.of(own(request)).exclude(session_key=key).delete()[0]
    return ended


class EnrolView(FormView):  # type: ignore[type-arg]
    """Show a new secret with each GET; a code of it, sent back, makes it count. That answer alone has backup codes."""

    form_class = CodeForm
    template_name = "admin/totp_enrol.html"
    secret: str | None = None

    def get(self, request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponse:
        self.secret = totp.begin(own(request))
        if self.secret is None:
            return HttpResponseRedirect(reverse("admin:totp"))
        return super().get(request, *args, **kwargs)

    def form_valid(self, form: CodeForm) -> HttpResponse:
        codes = totp.confirm(own(self.request), form.cleaned_data["code"], now=timezone.now())
        if codes is None:
            form.add_error("code", WRONG_CODE)
            return self.form_invalid(form)
        end_others(self.request)
        return self.render_to_response(self.get_context_data(codes=codes))

    def form_invalid(self, form: CodeForm) -> HttpResponse:
        self.secret = totp.find_begun(own(self.request))
        if self.secret is None:
            return HttpResponseRedirect(reverse("admin:totp"))
        return super().form_invalid(form)

    def get_context_data(self, **kwargs: Any) -> dict[str, Any]:
        if self.secret is not None:
            kwargs["secret"] = self.secret
            kwargs["drawing"] = draw(totp.uri(own(self.request), self.secret))
        return super().get_context_data(**kwargs)


def draw(text: str) -> str:
    """Return the text as an SVG to stand in a page, which then loads nothing from anywhere."""
    drawn = segno.make(text, error="m", micro=False).svg_inline(scale=4, border=4, dark="#000", light="#fff")
    return mark_safe(drawn)  # noqa: S308  (made of squares, not of the text)


class FactorForm(CodeForm):
    """What taking the second factor away, or replacing its backup codes, asks for: both factors."""

    password = forms.CharField(
        max_length=MOST_CHARACTERS,
        strip=False,
        widget=forms.PasswordInput(attrs={"autocomplete": "current-password"}),
    )
    act = forms.ChoiceField(choices=[("remove", "remove"), ("codes", "codes")], widget=forms.HiddenInput)
    field_order = ["password", "code"]

    def __init__(self, *args: Any, request: HttpRequest, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.request = request

    def clean(self) -> Any:
        cleaned = super().clean()
        if self.errors:
            return cleaned
        check_admission(self.request)
        user = own(self.request)
        # Which of the two was wrong is not told.
        if not (
            user.check_password(self.cleaned_data["password"])
            and totp.take(user, self.cleaned_data["code"], now=timezone.now())
        ):
            record_refused(user)
            raise ValidationError("The password or the code is wrong. A code that was used does not work again.")
        forgive(self.request)
        return cleaned


class FactorView(FormView):  # type: ignore[type-arg]
    form_class = FactorForm
    template_name = "admin/totp.html"

    def get_form_kwargs(self) -> dict[str, Any]:
        return {**super().get_form_kwargs(), "request": self.request}

    def post(self, request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponse:
        if totp.find_device(own(request)) is None:
            return HttpResponseRedirect(reverse("admin:totp"))
        return super().post(request, *args, **kwargs)

    def form_valid(self, form: FactorForm) -> HttpResponse:
        user = own(self.request)
        if form.cleaned_data["act"] == "codes":
            return self.render_to_response(self.get_context_data(codes=totp.renew_backup_codes(user)))
        totp.remove(user)
        return HttpResponseRedirect(reverse("admin:totp"))

    def get_context_data(self, **kwargs: Any) -> dict[str, Any]:
        user = own(self.request)
        context = {"device": totp.find_device(user), "left": BackupCode.objects.filter(user=user).count()}
        return super().get_context_data(**context, **kwargs)
