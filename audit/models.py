"""The append-only trail: who did what to which subject, when, from where, and with what outcome."""

import uuid
from collections.abc import Collection
from datetime import datetime
from typing import Any, Literal

from django.db import models
from django.db.models.functions import Now
from uuid_utils.compat import uuid7


class Action(models.TextChoices):
    """What can be recorded: subject, then verb. Values are stable; readers filter on them."""

    ORGANIZATION_CREATED = "organization.created"
    ORGANIZATION_RENAMED = "organization.renamed"
    ORGANIZATION_TRANSFERRED = "organization.transferred"
    ORGANIZATION_SETTINGS_CHANGED = "organization.settings-changed"
    ORGANIZATION_LIMITS_CHANGED = "organization.limits-changed"
    ORGANIZATION_DELETION_REQUESTED = "organization.deletion-requested"
    ORGANIZATION_DELETION_CANCELLED = "organization.deletion-cancelled"
    ORGANIZATION_ERASED = "organization.erased"
    MEMBERSHIP_CREATED = "membership.created"
    MEMBERSHIP_CHANGED = "membership.changed"
    MEMBERSHIP_REMOVED = "membership.removed"
    INVITATION_CREATED = "invitation.created"
    INVITATION_RESENT = "invitation.resent"
    INVITATION_REVOKED = "invitation.revoked"
    INVITATION_DELETED = "invitation.deleted"
    INVITATION_ACCEPTED = "invitation.accepted"
    INVITATION_REFUSED = "invitation.refused"
    AGENT_CREATED = "agent.created"
    AGENT_CHANGED = "agent.changed"
    AGENT_DELETED = "agent.deleted"
    API_KEY_CREATED = "api-key.created"
    API_KEY_REVOKED = "api-key.revoked"
    API_KEY_ROTATED = "api-key.rotated"
    API_KEY_SHORTENED = "api-key.shortened"
    API_KEY_EXPIRING = "api-key.expiring"
    API_KEY_DELETED = "api-key.deleted"
    LOCK_BROKEN = "lock.broken"
    SESSION_DELETED = "session.deleted"
    USER_CREATED = "user.created"
    USER_PASSWORD_CHANGED = "user.password-changed"  # noqa: S105  (no password)
    USER_CHANGED = "user.changed"
    USER_SETTINGS_CHANGED = "user.settings-changed"
    IDENTITY_LINKED = "identity.linked"
    IDENTITY_UNLINKED = "identity.unlinked"
    USER_EXPORTED = "user.exported"
    USER_ERASURE_REQUESTED = "user.erasure-requested"
    USER_ERASED = "user.erased"
    OPERATOR_SIGNED_IN = "operator.signed-in"
    OPERATOR_SIGNED_OUT = "operator.signed-out"
    OPERATOR_REFUSED = "operator.refused"
    OPERATOR_LOCKED_OUT = "operator.locked-out"
    OPERATOR_UNLOCKED = "operator.unlocked"
    OPERATOR_SESSION_ENDED = "operator.session-ended"
    OPERATOR_TOTP_ENROLLED = "operator.totp-enrolled"
    OPERATOR_TOTP_REMOVED = "operator.totp-removed"
    OPERATOR_TOTP_RESET = "operator.totp-reset"
    OPERATOR_BACKUP_CODES_MADE = "operator.backup-codes-made"
    OPERATOR_BACKUP_CODE_USED = "operator.backup-code-used"
    ADMIN_CHANGED = "admin.changed"
    ACCESS_REFUSED = "access.refused"
    AUDIT_EXPORTED = "audit.exported"


# What things are called that something is done to. Readers filter on them, so all are known here.
SubjectType = Literal[
    "organization", "membership", "invitation", "agent", "api-key", "session", "user", "lock", "operation", "audit"
]


class Outcome(models.TextChoices):
    SUCCESS = "success"
    REFUSED = "refused"


class OpenChoiceField(models.CharField):  # type: ignore[type-arg]
    """A text whose choices are no part of the schema: one more of them needs no migration."""

    def deconstruct(self) -> tuple[str, str, list[Any], dict[str, Any]]:
        name, _, args, kwargs = super().deconstruct()
        kwargs.pop("choices", None)
        return name, "django.db.models.CharField", list(args), kwargs


class EntryQuerySet(models.QuerySet["Entry"]):
    def of_organization(self, organization_id: uuid.UUID) -> "EntryQuerySet":
        return self.filter(organization_id=organization_id)

    def following(self, created_at: datetime, entry_id: uuid.UUID) -> "EntryQuerySet":
        """Those behind this place in the trail's order; the first condition is the one that an index bounds."""
        behind = models.Q(created_at__gt=created_at) | models.Q(id__gt=entry_id)
        return self.filter(behind, created_at__gte=created_at)

    def preceding(self, created_at: datetime, entry_id: uuid.UUID) -> "EntryQuerySet":
        before = models.Q(created_at__lt=created_at) | models.Q(id__lt=entry_id)
        return self.filter(before, created_at__lte=created_at)

    def first_of(self, actions: Collection[str], *, count: int, newest_first: bool) -> "EntryQuerySet":
        """The first `count` in the trail's order, of these actions where any are named.

        Each action is asked for by itself: an index has the entries of one in order, not those of several, and the
        whole trail would be searched for some that are rare.
        """
        order = ("-created_at", "-id") if newest_first else ("created_at", "id")
        if not actions:
            return self.order_by(*order)[:count]
        first, *rest = (self.filter(action=action).order_by(*order)[:count] for action in actions)
        return first.union(*rest, all=True).order_by(*order)[:count] if rest else first


class Entry(models.Model):
    """One thing that happened. The serving roles may insert and read; nothing updates or deletes.

    But what a deleted organization leaves is erased, by a policy that spares those of every other (orgs/policies.py).

    `organization_id` is null for what belongs to no organization: operators signing in, users made by hand,
    what users change of themselves.
    `actor` is `user:<id>`, `agent:<id>`, `api-key:<id>`, `operator:<id>`, `operator:shell`, `system` or `anonymous`.
    """

    # A number that all organizations count up together would tell each how much the others do. Ids are made by the
    # clocks of processes: the trail's order is that of `created_at`, by the one of the database, and ids only end it.
    id = models.UUIDField(primary_key=True, default=uuid7, editable=False)
    organization_id = models.UUIDField(null=True)
    actor = models.CharField(max_length=60)
    action = OpenChoiceField(max_length=40, choices=Action.choices)
    subject_type = models.CharField(max_length=40)
    subject_id = models.CharField(max_length=64, blank=True)
    outcome = models.CharField(max_length=10, choices=Outcome.choices)
    address = models.GenericIPAddressField(null=True)
    request_id = models.CharField(max_length=64, blank=True)
    detail = models.JSONField(default=dict)
    created_at = models.DateTimeField(db_default=Now())

    objects = EntryQuerySet.as_manager()

    class Meta:
        verbose_name_plural = "entries"
        ordering = ["-id"]
        # Each in the trail's order, so that a page of few among many is found without a search through the rest.
        indexes = [
            models.Index(fields=["organization_id", "created_at", "id"], name="audit_entry_by_time"),
            models.Index(fields=["organization_id", "actor", "created_at", "id"], name="audit_entry_by_actor"),
            models.Index(fields=["organization_id", "action", "created_at", "id"], name="audit_entry_by_action"),
            models.Index(fields=["organization_id", "subject_id", "created_at", "id"], name="audit_entry_by_subject"),
            models.Index(fields=["organization_id", "request_id", "created_at", "id"], name="audit_entry_by_request"),
            models.Index(fields=["organization_id", "address", "created_at", "id"], name="audit_entry_by_address"),
            models.Index(
                fields=["organization_id", "created_at", "id"],
                name="audit_entry_refused",
                condition=models.Q(outcome=Outcome.REFUSED),
            ),
        ]
        constraints = [
            models.CheckConstraint(name="audit_entry_outcome", condition=models.Q(outcome__in=Outcome.values)),
        ]

    def __str__(self) -> str:
        return f"{self.action} by {self.actor}"
