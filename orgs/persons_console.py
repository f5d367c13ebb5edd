"""The rights of a person in the console: an operator who may do everything hands out the export, or erases."""

import io
import json
import uuid
from typing import Any

from django import forms
from django.contrib import admin, messages
from django.core.exceptions import PermissionDenied
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.shortcuts import get_object_or_404
from django.template.response import TemplateResponse
from django.urls import path, reverse
from django.utils import timezone

from accounts.admin import UserAdmin
from accounts.erasing import LastOperator
from accounts.exporting import ExportTooLarge
from accounts.models import Erasure, User
from audit.admin import ReadOnlyAdmin
from orgs.services.exporting import MAX_EXPORT_BYTES, ExportBusy, export_person, one_at_a_time
from orgs.services.members import LastOwner
from orgs.services.person_erasing import request_erasure


class EraseForm(forms.Form):
    """Asks for the address again: there is no way back."""

    email = forms.CharField(label="The user's e-mail address, to confirm")

    def __init__(self, *args: Any, user: User, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.user = user

    def clean_email(self) -> str:
        email: str = self.cleaned_data["email"]
        if email.strip().lower() != self.user.email.lower():
            raise forms.ValidationError("This is not the address of the user.")
        return email


admin.site.unregister(User)


@admin.register(User)
class PersonAdmin(UserAdmin):
    """Users, with a page for what they have a right to."""

    change_form_template = "admin/accounts/user/change_form.html"

    def get_urls(self) -> list[Any]:
        rights = self.admin_site.admin_view(self.rights)
        return [path("<uuid:user_id>/rights/", rights, name="accounts_user_rights"), *super().get_urls()]

    def rights(self, request: HttpRequest, user_id: uuid.UUID) -> HttpResponse:
        if not request.user.is_superuser:
            raise PermissionDenied
        user, actor = get_object_or_404(User, id=user_id), f"operator:{request.user.pk}"
        if request.method == "POST" and "export" in request.POST:
            return self._export(request, user, actor)
        form = EraseForm(request.POST if request.method == "POST" else None, user=user)
        if form.is_valid() and self._erased(form, actor):
            self.message_user(request, "The user is being erased; the receipt comes once it is finished.")
            return HttpResponseRedirect(reverse("admin:accounts_erasure_changelist"))
        context = {**self.admin_site.each_context(request), "opts": self.opts, "title": "Rights of a person"}
        return TemplateResponse(request, "admin/accounts/user/rights.html", context | {"user_": user, "form": form})

    def _export(self, request: HttpRequest, user: User, actor: str) -> HttpResponse:
        file = io.BytesIO()
        try:
            with one_at_a_time():
                export_person(user.id, file, actor=actor, now=timezone.now(), limit=MAX_EXPORT_BYTES)
        except (ExportTooLarge, ExportBusy) as refusal:
            self.message_user(request, str(refusal), messages.ERROR)
            return HttpResponseRedirect(request.path)
        name = f'attachment; filename="holdfast-{user.id}.zip"'
        return HttpResponse(file.getvalue(), content_type="application/zip", headers={"Content-Disposition": name})

    @staticmethod
    def _erased(form: EraseForm, actor: str) -> bool:
        try:
            request_erasure(form.user.id, by=actor, now=timezone.now())
        except (LastOwner, LastOperator) as refusal:
            form.add_error(None, str(refusal))
            return False
        return True


@admin.register(Erasure)
class ErasureAdmin(ReadOnlyAdmin):
    """Erasures, and the receipts of those that are finished."""

    list_display = ["user_id", "requested_at", "requested_by", "finished_at"]
    search_fields = ["user_id", "id"]
    fields = ["id", "user_id", "requested_at", "requested_by", "finished_at", "counts", "signed_receipt"]

    @admin.display(description="Receipt")
    def signed_receipt(self, erasure: Erasure) -> str:
        return json.dumps(erasure.receipt, indent=2) if erasure.receipt else "Not finished yet."
