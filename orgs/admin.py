from typing import Any

from django.contrib import admin
from django.http import HttpRequest
from django.utils import timezone

from accounts.models import User
from orgs import services
from orgs.models import Agent, APIKey, Membership, Organization


class SubjectAdmin(admin.ModelAdmin):  # type: ignore[type-arg]
    """For looking; what may be changed here goes through a service, so that it is audited and becomes an event."""

    show_full_result_count = False

    def has_add_permission(self, request: HttpRequest) -> bool:
        return False

    def has_change_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False

    def has_delete_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False


@admin.register(Organization)
class OrganizationAdmin(SubjectAdmin):
    list_display = ["name", "slug", "id", "generation", "created_at"]
    search_fields = ["name", "slug", "id"]


@admin.register(Membership)
class MembershipAdmin(SubjectAdmin):
    list_display = ["organization", "user", "role", "created_at"]
    list_filter = ["role"]
    list_select_related = ["organization", "user"]
    search_fields = ["user__email", "organization__slug"]


@admin.register(Agent)
class AgentAdmin(SubjectAdmin):
    list_display = ["name", "slug", "organization", "generation", "created_at"]
    list_select_related = ["organization"]
    search_fields = ["name", "slug", "organization__slug"]


@admin.register(APIKey)
class APIKeyAdmin(SubjectAdmin):
    list_display = ["__str__", "organization", "user", "agent", "expires_at", "last_used_at", "revoked_at"]
    list_select_related = ["organization", "user", "agent"]
    search_fields = ["key_id", "name", "organization__slug"]
    actions = ["revoke"]
    exclude = ["digest"]

    def has_revoke_permission(self, request: HttpRequest) -> bool:
        return request.user.has_perm("orgs.change_apikey")

    @admin.action(description="Revoke the chosen keys", permissions=["revoke"])
    def revoke(self, request: HttpRequest, queryset: Any) -> None:
        assert isinstance(request.user, User)
        rows = list(queryset.select_for_update(of=("self",)))
        for row in rows:
            services.mark_revoked(row, actor=f"operator:{request.user.id}", now=timezone.now())
        self.message_user(request, f"{len(rows)} keys are revoked.")
