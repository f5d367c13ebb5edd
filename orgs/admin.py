"""Organizations and who acts in them: forms send their fields to services, which audit and publish."""

from typing import Any

from django.contrib import admin, messages
from django.core.exceptions import ObjectDoesNotExist
from django.db.models import Model, QuerySet
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.template.response import TemplateResponse
from django.urls import reverse
from django.utils import timezone
from django.utils.translation import ngettext

from accounts.models import User
from api import documents
from audit.admin import ConsoleAdmin, ReadOnlyAdmin
from orgs import persons_console  # noqa: F401  (registers itself)
from orgs.forms import KeyForm, OrganizationForm, ServiceForm
from orgs.limits import LimitReached
from orgs.models import Agent, APIKey, Invitation, Membership, Organization
from orgs.services import (
    agents,
    api_keys,
    constraints,
    invitations,
    key_policy,
    key_rotation,
    members,
    organization_deletion,
    organizations,
)

REFUSALS = (
    LimitReached,
    constraints.SlugTaken,
    constraints.AlreadyMember,
    members.LastOwner,
    members.UserInactive,
    key_policy.InvalidExpiry,
    api_keys.UnknownReference,
    ObjectDoesNotExist,
)


class SubjectAdmin(ConsoleAdmin):
    """What has generations and events: saved by `add` and `change`, which call a service; not deleted, as a rule."""

    form = ServiceForm
    actions: Any = None
    readonly_fields = ["id", "owner_id", "generation", "created_at"]
    # What is asked for when a row is added, and which of it stays as it was.
    asked: tuple[str, ...] = ()
    fixed: tuple[str, ...] = ("organization",)

    def add(self, actor: str, form: Any) -> Model:
        raise NotImplementedError

    def change(self, actor: str, row: Any, changes: dict[str, Any]) -> Model:
        raise NotImplementedError

    def has_delete_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False

    def get_readonly_fields(self, request: HttpRequest, obj: Any = None) -> list[str]:
        return [*self.fixed, *self.readonly_fields] if obj else []

    def get_fields(self, request: HttpRequest, obj: Any = None) -> Any:
        return [*self.asked, *self.readonly_fields] if obj else self.asked

    def get_form(self, request: HttpRequest, obj: Any = None, change: bool = False, **kwargs: Any) -> Any:
        form: Any = super().get_form(request, obj, change=change, **kwargs)
        form.refusal = getattr(request, "refusal", "")
        return form

    def changeform_view(
        self, request: HttpRequest, object_id: str | None = None, form_url: str = "", extra_context: Any = None
    ) -> HttpResponse:
        try:
            return super().changeform_view(request, object_id, form_url, extra_context)
        except REFUSALS as refusal:
            # What was written is taken back by now. The form is shown again and says why.
            request.refusal = str(refusal)  # type: ignore[attr-defined]
            return super().changeform_view(request, object_id, form_url, extra_context)

    def save_model(self, request: HttpRequest, obj: Any, form: Any, change: bool) -> None:
        if change:
            saved = self.change(actor_of(request), obj, {name: form.cleaned_data[name] for name in form.changed_data})
        else:
            saved = self.add(actor_of(request), form)
        # What Django does next with the form's row (its log, its answer) is about the row that the service saved.
        vars(obj).update(vars(saved))


@admin.register(Organization)
class OrganizationAdmin(SubjectAdmin):
    list_display = ["name", "slug", "id", "generation", "created_at", "deletes_at"]
    search_fields = ["name", "slug", "id"]
    asked = ("name", "slug", *organizations.LIMITS)
    fixed = ()
    readonly_fields = [*SubjectAdmin.readonly_fields, "deletion_delay_days", "deletes_at"]
    actions = ["request_deletion", "cancel_deletion"]

    def get_queryset(self, request: HttpRequest) -> QuerySet[Organization]:
        # What is being erased is beyond any change.
        return super().get_queryset(request).filter(closed_at=None)

    def has_end_permission(self, request: HttpRequest) -> bool:
        return request.user.has_perm("orgs.delete_organization")

    def get_form(self, request: HttpRequest, obj: Any = None, change: bool = False, **kwargs: Any) -> Any:
        return super().get_form(request, obj, change, **({} if obj else {"form": OrganizationForm}) | kwargs)

    def get_fields(self, request: HttpRequest, obj: Any = None) -> Any:
        return super().get_fields(request, obj) if obj else ("name", "slug", "owner")

    def add(self, actor: str, form: Any) -> Organization:
        return organizations.create_organization(**form.cleaned_data, actor=actor)

    def change(self, actor: str, row: Organization, changes: dict[str, Any]) -> Organization:
        limits = {name: changes.pop(name) for name in organizations.LIMITS if name in changes}
        if changes:
            row = organizations.set_names(row.id, changes=changes, actor=actor)
        return organizations.set_limits(row.id, changes=limits, actor=actor) if limits else row

    @admin.action(description="Have the chosen organizations deleted after their delay", permissions=["end"])
    def request_deletion(self, request: HttpRequest, queryset: QuerySet[Organization]) -> None:
        for row in queryset.order_by("id"):
            marked = organization_deletion.mark_for_deletion(row.id, actor=actor_of(request), now=timezone.now())
            self.message_user(request, f"{marked} will be deleted at {marked.deletes_at:%Y-%m-%d %H:%M} UTC.")

    @admin.action(description="Cancel the deletion of the chosen organizations", permissions=["end"])
    def cancel_deletion(self, request: HttpRequest, queryset: QuerySet[Organization]) -> None:
        for row in queryset.order_by("id"):
            try:
                organization_deletion.cancel_deletion(row.id, actor=actor_of(request))
            except members.LastOwner as refusal:
                self.message_user(request, str(refusal), messages.ERROR)
            else:
                self.message_user(request, f"The organization {row} will stay.")


@admin.register(Membership)
class MembershipAdmin(SubjectAdmin):
    list_display = ["organization", "user", "role", "created_at"]
    list_filter = ["role"]
    list_select_related = ["organization", "user"]
    search_fields = ["user__email", "organization__slug"]
    autocomplete_fields = ["organization", "user"]
    asked = ("organization", "user", "role")
    fixed = ("organization", "user")

    def has_delete_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return request.user.has_perm("orgs.delete_membership")

    def add(self, actor: str, form: Any) -> Membership:
        return members.add_member(**form.cleaned_data, actor=actor)

    def change(self, actor: str, row: Membership, changes: dict[str, Any]) -> Membership:
        return members.change_role(row.id, **changes, actor=actor) if changes else row

    def delete_model(self, request: HttpRequest, obj: Membership) -> None:
        members.remove_member(obj.id, actor=actor_of(request))

    def delete_view(self, request: HttpRequest, object_id: str, extra_context: Any = None) -> HttpResponse:
        try:
            return super().delete_view(request, object_id, extra_context)
        except (members.LastOwner, Membership.DoesNotExist) as refusal:
            self.message_user(request, str(refusal), messages.ERROR)
            return HttpResponseRedirect(reverse("admin:orgs_membership_changelist"))


@admin.register(Invitation)
class InvitationAdmin(ReadOnlyAdmin):
    """Invitations are made by an organization's admins, who hand the link over; an operator may revoke them."""

    list_display = ["email", "organization", "role", "status", "expires_at", "sent_count"]
    list_filter = ["role"]
    list_select_related = ["organization"]
    search_fields = ["email", "organization__slug"]
    actions = ["revoke"]
    # All but the token's id and digest.
    fields = [
        "id", "organization", "email", "role", "status", "expires_at", "sent_count", "last_sent_at", "attempts",
        "last_attempt_at", "accepted_at", "accepted_by", "revoked_at", "owner_id", "generation", "created_at",
    ]  # fmt: skip

    def has_revoke_permission(self, request: HttpRequest) -> bool:
        return request.user.has_perm("orgs.change_invitation")

    @admin.action(description="Revoke the chosen invitations", permissions=["revoke"])
    def revoke(self, request: HttpRequest, queryset: QuerySet[Invitation]) -> None:
        chosen = queryset.filter(accepted_at=None, revoked_at=None).order_by("id")
        rows = list(chosen.select_for_update(of=("self",)))
        for row in rows:
            invitations.mark_revoked(row, actor=actor_of(request), now=timezone.now())
        done = ngettext("%d invitation is revoked.", "%d invitations are revoked.", len(rows))
        self.message_user(request, done % len(rows))


@admin.register(Agent)
class AgentAdmin(SubjectAdmin):
    list_display = ["name", "slug", "organization", "generation", "created_at"]
    list_select_related = ["organization"]
    search_fields = ["name", "slug", "organization__slug"]
    autocomplete_fields = ["organization"]
    asked = ("organization", "name", "slug", "description")
    readonly_fields = ["shown_card", *SubjectAdmin.readonly_fields]

    @admin.display(description="card")
    def shown_card(self, row: Agent) -> str:
        # Of a row that was just added it is the object itself.
        return documents.dumps(row.card)

    def add(self, actor: str, form: Any) -> Agent:
        organization = form.cleaned_data.pop("organization")
        return agents.add_agent(organization.id, owner_id=organization.owner_id, fields=form.cleaned_data, actor=actor)

    def change(self, actor: str, row: Agent, changes: dict[str, Any]) -> Agent:
        return agents.set_agent_fields(Agent.objects.all(), row.id, changes=changes, actor=actor)


@admin.register(APIKey)
class APIKeyAdmin(SubjectAdmin):
    """Keys are minted, shown once and revoked; nothing else about one changes."""

    list_display = [
        "__str__", "organization", "environment", "user", "agent", "expires_at", "last_used_at", "revoked_at",
    ]  # fmt: skip
    list_filter = ["environment"]
    list_select_related = ["organization", "user", "agent"]
    search_fields = ["key_id", "name", "organization__slug"]
    autocomplete_fields = ["organization", "user", "agent"]
    asked = ("organization", "name", "scopes", "environment", "user", "agent", "expires_at")
    actions = ["rotate", "revoke"]
    readonly_fields = [
        "id", "key_id", "owner_id", "generation", "created_at", "ends_by_policy", "last_used_at", "revoked_at",
        "replaces_key", "replaced_by_key",
    ]  # fmt: skip

    def has_change_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False

    def has_revoke_permission(self, request: HttpRequest) -> bool:
        return request.user.has_perm("orgs.change_apikey")

    def get_form(self, request: HttpRequest, obj: Any = None, change: bool = False, **kwargs: Any) -> Any:
        return super().get_form(request, obj, change, **({} if obj else {"form": KeyForm}) | kwargs)

    def save_model(self, request: HttpRequest, obj: APIKey, form: Any, change: bool) -> None:
        minted = api_keys.issue_operator_key(**form.cleaned_data, actor=actor_of(request), now=timezone.now())
        vars(obj).update(vars(minted.row))
        request.minted = minted  # type: ignore[attr-defined]

    def response_add(self, request: HttpRequest, obj: APIKey, post_url_continue: str | None = None) -> HttpResponse:
        return self._show(request, request.minted)  # type: ignore[attr-defined]

    def _show(self, request: HttpRequest, minted: api_keys.MintedKey) -> HttpResponse:
        """Show the key in this very answer: a message would carry it through a cookie to the next page."""
        title = "Keep this API key"
        context = {**self.admin_site.each_context(request), "opts": self.opts, "title": title, "minted": minted}
        return TemplateResponse(request, "admin/orgs/apikey/minted.html", context)

    # By their ids alone: a select of all keys would be read for each.
    @admin.display(description="Replaces")
    def replaces_key(self, row: APIKey) -> str:
        return str(row.replaces_id or "-")

    @admin.display(description="Replaced by")
    def replaced_by_key(self, row: APIKey) -> str:
        return str(row.replaced_by_id or "-")

    @admin.action(description="Rotate the chosen key (the old one works for a day)", permissions=["revoke"])
    def rotate(self, request: HttpRequest, queryset: QuerySet[APIKey]) -> HttpResponse | None:
        """Rotate one key, for the page shows one; the new text is in this very answer."""
        rows = list(queryset[:2])
        if len(rows) != 1:
            self.message_user(request, "Choose one key to rotate.", messages.ERROR)
            return None
        actor, overlap = actor_of(request), key_rotation.DEFAULT_OVERLAP
        try:
            minted = key_rotation.rotate_operator_key(rows[0].id, overlap=overlap, actor=actor, now=timezone.now())
        except (key_rotation.KeyRotated, key_rotation.KeyOverlapping, key_rotation.KeyEnded) as refusal:
            self.message_user(request, str(refusal), messages.ERROR)
            return None
        return self._show(request, minted)

    @admin.action(description="Revoke the chosen keys", permissions=["revoke"])
    def revoke(self, request: HttpRequest, queryset: QuerySet[APIKey]) -> None:
        rows = list(queryset.order_by("id").select_for_update(of=("self",)))
        for row in rows:
            api_keys.mark_revoked(row, actor=actor_of(request), now=timezone.now())
        done = ngettext("%d key is revoked.", "%d keys are revoked.", len(rows))
        self.message_user(request, done % len(rows))


def actor_of(request: HttpRequest) -> str:
    assert isinstance(request.user, User)
    return f"operator:{request.user.id}"
