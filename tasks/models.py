"""Contexts, tasks, and what belongs to a task: messages and artifacts, as rows that are only ever added.

References are constraints on (organization, id), which orgs.policies.same_organization makes in the migrations: one on
the id alone would admit another organization's row. So Django makes none (`db_constraint=False`).
"""

from django.db import models
from django.db.models.functions import Now

from api.fields import ExactJSONField
from coordination.fencing import Fenced
from orgs.models import Agent, Organization, TenantModel


class State(models.TextChoices):
    """The states of an A2A task (A2A 1.0 §4.1.3, in the hyphenated spelling of 0.3)."""

    SUBMITTED = "submitted"
    WORKING = "working"
    INPUT_REQUIRED = "input-required"
    AUTH_REQUIRED = "auth-required"
    COMPLETED = "completed"
    CANCELED = "canceled"
    FAILED = "failed"
    REJECTED = "rejected"


TERMINAL = frozenset({State.COMPLETED, State.CANCELED, State.FAILED, State.REJECTED})


class MessageRole(models.TextChoices):
    USER = "user"
    AGENT = "agent"


class Context(TenantModel):
    """A conversation that several tasks share."""

    metadata = ExactJSONField()

    class Meta:
        constraints = [models.UniqueConstraint(fields=["organization", "id"], name="tasks_context_of_organization")]

    def __str__(self) -> str:
        return str(self.id)


class Task(Fenced, TenantModel):
    """One piece of work. `lease_token` grows with each claim; writes of an older claim are refused.

    Nothing that an append changes is indexed, so an append updates the row in place (HOT). The partial index holds
    only what can be claimed or is being worked on, live leases last: a claim passes over none of them, for which a
    heartbeat pays by not being in place.
    """

    context = models.ForeignKey(
        Context, on_delete=models.CASCADE, related_name="tasks", db_index=False, db_constraint=False
    )
    agent = models.ForeignKey(
        Agent, null=True, blank=True, on_delete=models.SET_NULL, related_name="+", db_constraint=False
    )
    state = models.CharField(max_length=20, choices=State.choices, default=State.SUBMITTED)
    state_at = models.DateTimeField(db_default=Now())
    metadata = ExactJSONField()
    message_count = models.PositiveBigIntegerField(default=0)
    message_bytes = models.PositiveBigIntegerField(default=0)
    artifact_count = models.PositiveBigIntegerField(default=0)
    lease_token = models.PositiveBigIntegerField(default=0)
    lease_expires_at = models.DateTimeField(null=True, blank=True)

    class Meta:
        indexes = [
            models.Index(fields=["context", "-id"], name="tasks_task_by_context"),
            # By when each can be claimed, or could be since: without a lease that is since the state was set.
            models.Index(
                "organization",
                models.Case(models.When(lease_expires_at=None, then="state_at"), default="lease_expires_at"),
                "id",
                name="tasks_task_open",
                condition=models.Q(state__in=[State.SUBMITTED, State.WORKING]),
            ),
        ]
        constraints = [
            models.UniqueConstraint(fields=["organization", "id"], name="tasks_task_of_organization"),
            models.CheckConstraint(name="tasks_task_state", condition=models.Q(state__in=State.values)),
            models.CheckConstraint(
                name="tasks_task_lease_of_working",
                condition=models.Q(lease_expires_at=None) | models.Q(state=State.WORKING),
            ),
        ]

    def __str__(self) -> str:
        return f"{self.id} ({self.state})"


class Message(models.Model):
    """One message of a task, numbered from 1 without gaps. `generation` is the task's that it made.

    `bytes_before` is what the parts and metadata of all earlier ones take, so that how many of them fit into an answer
    is known without reading any.
    """

    pk = models.CompositePrimaryKey("task_id", "number")
    organization = models.ForeignKey(
        Organization, models.CASCADE, related_name="+", db_index=False, db_constraint=False
    )
    task = models.ForeignKey(Task, models.CASCADE, related_name="messages", db_index=False, db_constraint=False)
    number = models.PositiveBigIntegerField()
    owner_id = models.UUIDField()
    # The caller's, and not unique: an index for it would cost every append.
    message_id = models.CharField(max_length=128)
    role = models.CharField(max_length=10, choices=MessageRole.choices)
    parts = ExactJSONField()
    metadata = ExactJSONField()
    bytes_before = models.PositiveBigIntegerField()
    generation = models.PositiveBigIntegerField()
    created_at = models.DateTimeField(db_default=Now())

    class Meta:
        constraints = [
            models.CheckConstraint(name="tasks_message_role", condition=models.Q(role__in=MessageRole.values)),
        ]


class Artifact(models.Model):
    """Something a task made, in chunks. `generation` is the task's when the last chunk came."""

    pk = models.CompositePrimaryKey("task_id", "artifact_id")
    organization = models.ForeignKey(
        Organization, models.CASCADE, related_name="+", db_index=False, db_constraint=False
    )
    task = models.ForeignKey(Task, models.CASCADE, related_name="artifacts", db_index=False, db_constraint=False)
    artifact_id = models.CharField(max_length=128)
    owner_id = models.UUIDField()
    number = models.PositiveBigIntegerField()
    name = models.CharField(max_length=500, blank=True)
    description = models.TextField(blank=True)
    metadata = ExactJSONField()
    chunk_count = models.PositiveBigIntegerField(default=0)
    chunk_bytes = models.PositiveBigIntegerField(default=0)
    complete = models.BooleanField(default=False)
    generation = models.PositiveBigIntegerField()
    created_at = models.DateTimeField(db_default=Now())

    class Meta:
        constraints = [models.UniqueConstraint(fields=["task", "number"], name="tasks_artifact_number")]


class ArtifactChunk(models.Model):
    """Parts of an artifact that came together, numbered from 1 without gaps; `bytes_before` as a message has it."""

    pk = models.CompositePrimaryKey("task_id", "artifact_id", "number")
    organization = models.ForeignKey(
        Organization, models.CASCADE, related_name="+", db_index=False, db_constraint=False
    )
    task = models.ForeignKey(Task, models.CASCADE, related_name="+", db_index=False, db_constraint=False)
    artifact_id = models.CharField(max_length=128)
    owner_id = models.UUIDField()
    number = models.PositiveBigIntegerField()
    parts = ExactJSONField()
    bytes_before = models.PositiveBigIntegerField()
    generation = models.PositiveBigIntegerField()
    created_at = models.DateTimeField(db_default=Now())
