from django.contrib import admin

from audit.admin import ReadOnlyAdmin
from events.models import Event


@admin.register(Event)
class EventAdmin(ReadOnlyAdmin):
    list_display = ["id", "created_at", "organization_id", "type", "subject_id", "generation", "actor"]
    search_fields = ["subject_id", "organization_id", "request_id"]
    ordering = ["-id"]
