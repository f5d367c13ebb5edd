"""The trail in the operators' console, and the manners that every list and form of the console shares."""

import uuid
from datetime import timedelta
from functools import cached_property
from typing import Any

from django.contrib import admin
from django.core.paginator import Paginator
from django.db.models import Q, QuerySet
from django.http import HttpRequest
from django.utils import timezone

from audit.models import Entry

SPANS = {"hour": timedelta(hours=1), "day": timedelta(days=1), "week": timedelta(weeks=1), "month": timedelta(days=30)}


class ConsoleAdmin(admin.ModelAdmin):  # type: ignore[type-arg]
    """A model in the console. Lists are filtered by what they offer and forms filled in by hand, not by addresses."""

    show_full_result_count = False

    def lookup_allowed(self, lookup: str, value: Any, request: HttpRequest | None = None) -> bool:
        """Take only the list's own filters: Django takes any lookup of a column, and a hidden one could be guessed."""
        assert request is not None
        filters = self.get_list_filter(request)
        return lookup in [getattr(each, "parameter_name", f"{each}__exact") for each in filters]

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


class Since(admin.SimpleListFilter):
    """How far back to look. Django's own hierarchy of dates would read the whole trail for its links."""

    title = "time"
    parameter_name = "since"

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, str]]:
        return [(name, f"The last {name}") for name in SPANS]

    def queryset(self, request: HttpRequest, queryset: QuerySet[Any]) -> QuerySet[Any]:
        span = SPANS.get(self.value() or "")
        return queryset if span is None else queryset.filter(created_at__gte=timezone.now() - span)


class ShortPaginator(Paginator):  # type: ignore[type-arg]
    """Counts no further than anyone would turn pages: counting a large trail takes longer than reading one of them."""

    most = 10_000

    @cached_property
    def count(self) -> int:
        return int(self.object_list[: self.most].count())  # type: ignore[attr-defined]


@admin.register(Entry)
class EntryAdmin(ReadOnlyAdmin):
    """Entries are never added, changed or deleted here, nor could the role it runs under."""

    list_display = ["created_at", "organization_id", "actor", "action", "subject_type", "subject_id", "outcome"]
    list_filter = [Since, "outcome", "action"]
    search_fields = ["organization_id", "actor", "subject_id", "request_id"]
    search_help_text = "Whole ids: of an organization, an actor (user:…), a subject, a request; several narrow it down."
    paginator = ShortPaginator

    def get_search_results(
        self, request: HttpRequest, queryset: QuerySet[Any], search_term: str
    ) -> tuple[QuerySet[Any], bool]:
        """Compare whole values: half of an id names nothing, and every row would be read for it."""
        for word in search_term.split():
            queryset = queryset.filter(_named(word))
        return queryset, False


def _named(word: str) -> Q:
    named = Q(actor=word) | Q(subject_id=word) | Q(request_id=word)
    try:
        return named | Q(organization_id=uuid.UUID(word))
    except ValueError:
        return named
