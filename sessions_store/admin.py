from django.contrib import admin
from django.db.models import QuerySet
from django.http import HttpRequest

from audit.admin import ReadOnlyAdmin
from sessions_store.models import Session


@admin.register(Session)
class SessionAdmin(ReadOnlyAdmin):
    """States belong to the organization; the console shows that a session is there, not what it holds."""

    list_display = ["id", "organization", "title", "generation", "created_at", "updated_at"]
    list_select_related = ["organization"]
    search_fields = ["id", "title", "organization__slug"]
    exclude = ["state", "metadata"]

    def get_queryset(self, request: HttpRequest) -> QuerySet[Session]:
        return Session.objects.without_state()
