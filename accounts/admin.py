"""Users in the operators' console: added and changed, with an entry in the audit trail; never simply deleted.

Deleting a user would take their keys and memberships along without a word in anyone's trail. Deactivating one has the
same effect on access and can be undone; who has a right to it is erased (orgs/persons_console.py).
"""

from typing import Any

from django import forms
from django.conf import settings
from django.contrib import admin, messages
from django.contrib.admin.models import LogEntry
from django.contrib.auth.admin import UserAdmin as DjangoUserAdmin
from django.contrib.auth.forms import BaseUserCreationForm, ReadOnlyPasswordHashField, ReadOnlyPasswordHashWidget
from django.contrib.auth.models import Group
from django.db.models import QuerySet
from django.http import HttpRequest
from django.utils import timezone
from django.utils.translation import ngettext

from accounts import identities, lockout, totp
from accounts.models import POWERS, ConsoleSession, LinkedIdentity, User
from audit.admin import ConsoleAdmin, ReadOnlyAdmin
from audit.models import Action
from audit.services import record_of_user

# Operators may do everything or nothing yet: groups would be rows that no fieldset shows.
admin.site.unregister(Group)


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


class IdentityForm(forms.ModelForm):  # type: ignore[type-arg]
    issuer = forms.ChoiceField(choices=lambda: [(issuer.name, issuer.name) for issuer in settings.OIDC_ISSUERS])

    class Meta:
        model = LinkedIdentity
        fields = ("issuer", "subject")


class IdentityInline(admin.TabularInline):  # type: ignore[type-arg]
    """What identity providers call the user: linked and unlinked, never changed."""

    model = LinkedIdentity
    form = IdentityForm
    extra = 0
    max_num = 20

    def has_change_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False


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
    actions = ["unlock", "reset_totp"]
    fieldsets = (
        (None, {"fields": ("email", "password", "display_name", "external_id")}),
        ("Access", {"fields": ("is_active", "is_staff", "is_superuser")}),
        ("Dates", {"fields": ("created_at", "last_login")}),
    )
    add_fieldsets = ((None, {"classes": ("wide",), "fields": ("email", "password1", "password2")}),)

    def has_delete_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False

    def has_guard_permission(self, request: HttpRequest) -> bool:
        """Whoever may do everything may help another operator in."""
        return request.user.is_active and request.user.is_superuser

    @admin.action(description="End the wait after failed sign-ins", permissions=["guard"])
    def unlock(self, request: HttpRequest, queryset: QuerySet[User]) -> None:
        users = list(queryset.order_by("id"))
        for user in users:
            lockout.lift(user, actor=_actor(request), now=timezone.now())
        done = ngettext("%d user needs to wait no more.", "%d users need to wait no more.", len(users))
        self.message_user(request, done % len(users))

    @admin.action(description="Take two-step sign-in away", permissions=["guard"])
    def reset_totp(self, request: HttpRequest, queryset: QuerySet[User]) -> None:
        """One's own takes a code: whoever finds an open console must not be able to take it away."""
        others = list(queryset.exclude(id=_own(request).id).order_by("id"))
        count = sum([totp.reset(user, actor=_actor(request)) for user in others])
        done = ngettext("Two-step sign-in is taken from %d user.", "Two-step sign-in is taken from %d users.", count)
        if others:
            self.message_user(request, done % count if count else "There is no two-step sign-in to take away.")
        if queryset.filter(id=_own(request).id).exists():
            self.message_user(request, "Your own you take away yourself, with a code.", messages.WARNING)

    def save_model(self, request: HttpRequest, obj: User, form: Any, change: bool) -> None:
        super().save_model(request, obj, form, change)
        if change and {*POWERS} & set(form.changed_data):
            # Also of one who only may do less from now on: what an open page offers would no longer be theirs.
            ConsoleSession.objects.of(obj).delete()

    def get_inlines(self, request: HttpRequest, obj: Any) -> list[Any]:
        """Link somebody once they are there, as long as there are issuers to link them to."""
        return [IdentityInline] if obj and settings.OIDC_ISSUERS else []

    def save_formset(self, request: HttpRequest, form: Any, formset: Any, change: bool) -> None:
        super().save_formset(request, form, formset, change)
        actor = f"operator:{request.user.pk}"
        for identity in formset.new_objects:
            identities.note_linked(identity, actor=actor)
        for identity in formset.deleted_objects:
            identities.note_unlinked(identity, actor=actor)

    # Written in the console's transaction. Django's message names fields and holds no values.
    def log_addition(self, request: HttpRequest, obj: Any, message: Any) -> LogEntry:
        record_of_user(Action.USER_CREATED, obj.id, actor=_actor(request), change=message)
        return super().log_addition(request, obj, message)

    def log_change(self, request: HttpRequest, obj: Any, message: Any) -> LogEntry:
        action = self._change(request)
        if action == Action.USER_PASSWORD_CHANGED:
            # The changed hash ends them anyway, and the list shows none that is ended. One's own begins anew.
            ConsoleSession.objects.of(obj).delete()
        record_of_user(action, obj.id, actor=_actor(request), change=message)
        return super().log_change(request, obj, message)

    @staticmethod
    def _change(request: HttpRequest) -> Action:
        match = request.resolver_match
        of_password = match is not None and match.url_name == "auth_user_password_change"
        return Action.USER_PASSWORD_CHANGED if of_password else Action.ADMIN_CHANGED


def _own(request: HttpRequest) -> User:
    assert isinstance(request.user, User)
    return request.user


def _actor(request: HttpRequest) -> str:
    return f"operator:{_own(request).id}"


@admin.register(ConsoleSession)
class ConsoleSessionAdmin(ReadOnlyAdmin):
    """The sessions of all operators; each sees their own on a page for them."""

    list_display = ["user", "started_at", "last_seen_at", "address", "user_agent", "expire_date"]
    list_select_related = ["user"]
    search_fields = ["user__email"]
    fields = ["user", "started_at", "last_seen_at", "address", "user_agent", "expire_date"]
    actions = ["end"]

    def get_queryset(self, request: HttpRequest) -> QuerySet[Any]:
        return super().get_queryset(request).live(timezone.now()).exclude(user=None)  # type: ignore[attr-defined,no-any-return]

    def has_end_permission(self, request: HttpRequest) -> bool:
        return request.user.is_active and request.user.is_superuser

    @admin.action(description="End the chosen sessions", permissions=["end"])
    def end(self, request: HttpRequest, queryset: QuerySet[ConsoleSession]) -> None:
        chosen = list(queryset)
        for session in chosen:
            assert session.user_id is not None
            record_of_user(Action.OPERATOR_SESSION_ENDED, session.user_id, actor=_actor(request), sessions=1)
        ConsoleSession.objects.filter(id__in=[session.id for session in chosen]).delete()
        done = ngettext("%d session is ended.", "%d sessions are ended.", len(chosen))
        self.message_user(request, done % len(chosen))
