"""An operator's own sessions with the console, on a page that ends them."""

from typing import Any

from django import forms
from django.contrib import messages
from django.http import HttpResponse, HttpResponseRedirect
from django.urls import reverse
from django.utils import timezone
from django.utils.translation import ngettext
from django.views.generic import FormView

from accounts.console_sessions import digest
from accounts.models import ConsoleSession
from audit.models import Action
from audit.services import record_of_user
from orgs.second_factor import end_others, own


class EndForm(forms.Form):
    """One session, or without it all others."""

    session = forms.UUIDField(required=False)


class OwnSessionsView(FormView):  # type: ignore[type-arg]
    form_class = EndForm
    template_name = "admin/own_sessions.html"

    def form_valid(self, form: EndForm) -> HttpResponse:
        user, chosen = own(self.request), form.cleaned_data["session"]
        ended = ConsoleSession.objects.of(user).filter(id=chosen).delete()[0] if chosen else end_others(self.request)
        if ended:
            record_of_user(Action.OPERATOR_SESSION_ENDED, user.id, actor=f"operator:{user.id}", sessions=ended)
        messages.success(self.request, ngettext("%d session is ended.", "%d sessions are ended.", ended) % ended)
        return HttpResponseRedirect(reverse("admin:own-sessions"))

    def get_context_data(self, **kwargs: Any) -> dict[str, Any]:
        live = ConsoleSession.objects.of(own(self.request)).live(timezone.now())
        this = digest(self.request.session.session_key or "")
        return super().get_context_data(sessions=list(live.order_by("-last_seen_at")), this=this, **kwargs)
