"""The event log: one row per change of a subject, written in the transaction of the change."""

import uuid

from django.db import models
from django.db.models.functions import Now


class EventQuerySet(models.QuerySet["Event"]):
    def of_subject(self, organization_id: uuid.UUID, subject_id: uuid.UUID) -> "EventQuerySet":
        return self.filter(organization_id=organization_id, subject_id=subject_id)


class Event(models.Model):
    """What changed: the subject reached this generation. Per subject the generations have no gap.

    `facts` holds small facts (states, numbers), never content: who may read the subject is asked again when its
    content is read. Rows are never changed.
    """

    id = models.BigAutoField(primary_key=True)
    organization_id = models.UUIDField()
    subject_type = models.CharField(max_length=20)
    subject_id = models.UUIDField()
    generation = models.PositiveBigIntegerField()
    type = models.CharField(max_length=60)
    owner_id = models.UUIDField()
    actor = models.CharField(max_length=60)
    request_id = models.CharField(max_length=64)
    facts = models.JSONField(default=dict)
    created_at = models.DateTimeField(db_default=Now())

    objects = EventQuerySet.as_manager()

    class Meta:
        constraints = [models.UniqueConstraint(fields=["subject_id", "generation"], name="events_event_generation")]

    def __str__(self) -> str:
        return f"{self.type} {self.subject_id}@{self.generation}"
