"""The trail in the operators' console, and the manners that every list and form of the console shares."""

from typing import Any

from django.contrib import admin
from django.http import HttpRequest

from audit.models import Entry


class ConsoleAdmin(admin.ModelAdmin):  # type: ignore[type-arg]
    """A model in the console. Lists are filtered by what they offer and forms filled in by hand, not by addresses."""

    show_full_result_count = False

    def lookup_allowed(self, lookup: str, value: Any, request: HttpRequest | None = None) -> bool:
        """Take only the list's own filters: Django takes any lookup of a column, and a hidden one could be guessed."""
        assert request is not None
        return lookup in [f"{name}__exact" for name in self.get_list_filter(request)]

    def get_changeform_initial_data(self, request: HttpRequest) -> dict[str, Any]:
        return {}


class ReadOnlyAdmin(ConsoleAdmin):
    """A model for looking at."""

    def has_add_permission(self, request: HttpRequest) -> bool:
        return False

    def has_change_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False

    def has_delete_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False


@admin.register(Entry)
class EntryAdmin(ReadOnlyAdmin):
    """Entries are never added, changed or deleted here, nor could the role it runs under."""

    list_display = ["created_at", "organization_id", "actor", "action", "subject_type", "subject_id", "outcome"]
    list_filter = ["action", "outcome"]
    search_fields = ["actor", "subject_id", "request_id", "organization_id"]
