"""What operators decide of coordination."""

from typing import Any

from django.contrib import admin

from coordination import services
from coordination.models import OrganizationRateLimits
from orgs.admin import SubjectAdmin

NUMBERS = ("key_requests", "organization_requests")


@admin.register(OrganizationRateLimits)
class OrganizationRateLimitsAdmin(SubjectAdmin):
    """How many calls single organizations may make; the others have the numbers of the settings."""

    list_display = ["organization", *NUMBERS]
    list_select_related = ["organization"]
    search_fields = ["organization__slug", "organization__name"]
    autocomplete_fields = ["organization"]
    asked = ("organization", *NUMBERS)
    readonly_fields = ["generation"]

    def add(self, actor: str, form: Any) -> OrganizationRateLimits:
        organization = form.cleaned_data["organization"]
        numbers = {name: form.cleaned_data[name] for name in NUMBERS}
        return services.set_rate_limits(organization.id, changes=numbers, actor=actor)

    def change(self, actor: str, row: OrganizationRateLimits, changes: dict[str, Any]) -> OrganizationRateLimits:
        return services.set_rate_limits(row.organization_id, changes=changes, actor=actor) if changes else row
