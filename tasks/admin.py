from django.contrib import admin

from audit.admin import ReadOnlyAdmin
from tasks.models import Context, Task


@admin.register(Task)
class TaskAdmin(ReadOnlyAdmin):
    """What was said belongs to the organization; the console shows where a task stands, not what it holds."""

    list_display = [
        "id",
        "organization",
        "state",
        "state_at",
        "agent",
        "message_count",
        "lease_token",
        "lease_expires_at",
    ]
    list_filter = ["state"]
    list_select_related = ["organization", "agent"]
    search_fields = ["id", "context__id", "organization__slug"]
    exclude = ["metadata"]


@admin.register(Context)
class ContextAdmin(ReadOnlyAdmin):
    list_display = ["id", "organization", "owner_id", "created_at"]
    list_select_related = ["organization"]
    search_fields = ["id", "organization__slug"]
    exclude = ["metadata"]
