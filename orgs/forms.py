"""The forms of the operators' console that ask for more, or for something else, than their model's fields."""

from typing import Any, ClassVar

from django import forms
from django.contrib import admin
from django.contrib.admin.widgets import AutocompleteSelect

from accounts.models import User
from orgs.models import APIKey, Membership, Organization
from orgs.permissions import Scope


class ServiceForm(forms.ModelForm):  # type: ignore[type-arg]
    """A form whose fields a service will save; `refusal` is what it said when it would not."""

    refusal: ClassVar[str] = ""

    def clean(self) -> Any:
        if self.refusal:
            self.add_error(None, self.refusal)
        return super().clean()


class OrganizationForm(ServiceForm):
    owner = forms.ModelChoiceField(
        User.objects.all(),
        label="First owner",
        # The same widget as a membership's user has.
        widget=AutocompleteSelect(Membership._meta.get_field("user"), admin.site),
    )

    class Meta:
        model = Organization
        fields = ("name", "slug")


class KeyForm(ServiceForm):
    scopes = forms.MultipleChoiceField(
        choices=[(scope.value, scope.value) for scope in Scope],
        widget=forms.CheckboxSelectMultiple,
        help_text="admin includes write, and write includes read, of the same resource.",
    )

    class Meta:
        model = APIKey
        fields = ("organization", "name", "scopes", "environment", "user", "agent", "expires_at")
        help_texts: ClassVar[dict[str, str]] = {
            "user": "A member of the organization, whom the key acts as. Without user and agent it acts as itself.",
            "agent": "An agent of the organization, which the key acts as.",
            "environment": "What the key is for. Its prefix says it, and it never changes.",
            "expires_at": "In UTC. Without one the key lives as long as the organization allows.",
        }

    def clean(self) -> Any:
        cleaned = super().clean()
        if self.cleaned_data.get("user") and self.cleaned_data.get("agent"):
            self.add_error("agent", "A key acts as a user or as an agent, not as both.")
        return cleaned
