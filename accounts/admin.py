"""Users in the operators' console: added and changed, with an entry in the audit trail; never deleted.

Deleting a user would take their keys and memberships along without a word in anyone's trail. Deactivating one has the
same effect on access and can be undone.
"""

from typing import Any

from django import forms
from django.contrib import admin
from django.contrib.admin.models import LogEntry
from django.contrib.auth.admin import UserAdmin as DjangoUserAdmin
from django.contrib.auth.forms import BaseUserCreationForm, ReadOnlyPasswordHashField, ReadOnlyPasswordHashWidget
from django.contrib.auth.models import Group
from django.http import HttpRequest

from accounts.models import User
from audit.admin import ConsoleAdmin
from audit.models import Action
from audit.services import record

# Operators may do everything or nothing yet: groups would be rows that no fieldset shows.
admin.site.unregister(Group)

POWERS = ("is_active", "is_staff", "is_superuser")


class PasswordWidget(ReadOnlyPasswordHashWidget):
    """Tell whether there is a password; Django's own shows the first characters of salt and hash."""

    def get_context(self, name: str, value: Any, attrs: Any) -> dict[str, Any]:
        context = super().get_context(name, value, attrs)
        context["summary"] = [{"label": "Set." if User(password=value).has_usable_password() else "Not set."}]
        return context


class UserCreationForm(BaseUserCreationForm):  # type: ignore[type-arg]
    class Meta:
        model = User
        fields = ("email",)


class UserChangeForm(forms.ModelForm):  # type: ignore[type-arg]
    password = ReadOnlyPasswordHashField(widget=PasswordWidget)

    class Meta:
        model = User
        fields = ("email", "display_name", "external_id", "is_active", "is_staff", "is_superuser")

    def clean(self) -> Any:
        """Keep one operator who may do everything; of two demoted at once the second waits, and counts anew."""
        stays = all(self.cleaned_data.get(name) for name in POWERS)
        if not stays and all(self.initial[name] for name in POWERS):
            operators = User.objects.filter(**dict.fromkeys(POWERS, True)).order_by("id").select_for_update()
            if {operator.id for operator in operators} <= {self.instance.id}:
                raise forms.ValidationError("This is the last operator who may do everything here.")
        return super().clean()


@admin.register(User)
class UserAdmin(ConsoleAdmin, DjangoUserAdmin):  # type: ignore[type-arg]
    form = UserChangeForm
    add_form = UserCreationForm
    list_display = ["email", "display_name", "is_active", "is_staff", "created_at"]
    list_filter = ["is_active", "is_staff"]
    search_fields = ["email", "display_name", "external_id"]
    ordering = ["-id"]
    readonly_fields = ["created_at", "last_login"]
    filter_horizontal = ()
    fieldsets = (
        (None, {"fields": ("email", "password", "display_name", "external_id")}),
        ("Access", {"fields": ("is_active", "is_staff", "is_superuser")}),
        ("Dates", {"fields": ("created_at", "last_login")}),
    )
    add_fieldsets = ((None, {"classes": ("wide",), "fields": ("email", "password1", "password2")}),)

    def has_delete_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False

    def log_addition(self, request: HttpRequest, obj: Any, message: Any) -> LogEntry:
        _record(Action.USER_CREATED, request, obj, message)
        return super().log_addition(request, obj, message)

    def log_change(self, request: HttpRequest, obj: Any, message: Any) -> LogEntry:
        _record(self._change(request), request, obj, message)
        return super().log_change(request, obj, message)

    @staticmethod
    def _change(request: HttpRequest) -> Action:
        match = request.resolver_match
        of_password = match is not None and match.url_name == "auth_user_password_change"
        return Action.USER_PASSWORD_CHANGED if of_password else Action.ADMIN_CHANGED


def _record(action: Action, request: HttpRequest, user: User, message: Any) -> None:
    """Write the entry in the console's transaction. Django's message names fields and holds no values."""
    assert isinstance(request.user, User)
    record(
        action,
        organization_id=None,
        actor=f"operator:{request.user.id}",
        subject_type="user",
        subject_id=user.id,
        change=message,
    )
