from django.contrib import admin

from events.models import Event
from orgs.admin import SubjectAdmin


@admin.register(Event)
class EventAdmin(SubjectAdmin):
    list_display = ["id", "created_at", "organization_id", "type", "subject_id", "generation", "actor"]
    search_fields = ["subject_id", "organization_id", "request_id"]
    ordering = ["-id"]
