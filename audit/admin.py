from typing import Any

from django.contrib import admin
from django.http import HttpRequest

from audit.models import Entry


@admin.register(Entry)
class EntryAdmin(admin.ModelAdmin):  # type: ignore[type-arg]
    """For looking: entries are never added, changed or deleted here, nor could the role it runs under."""

    list_display = ["created_at", "organization_id", "actor", "action", "subject_type", "subject_id", "outcome"]
    list_filter = ["action", "outcome"]
    search_fields = ["actor", "subject_id", "request_id", "organization_id"]
    show_full_result_count = False

    def has_add_permission(self, request: HttpRequest) -> bool:
        return False

    def has_change_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False

    def has_delete_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False
