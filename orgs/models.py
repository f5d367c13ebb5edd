"""Organizations, who belongs to them or is invited, the agents that act in them, and their API keys."""

import uuid
from datetime import datetime, timedelta

from django.contrib.postgres.fields import ArrayField
from django.core.validators import RegexValidator
from django.db import models
from django.db.models.functions import Lower, Now
from django.utils import timezone

from accounts.models import User
from api.fields import ExactJSONField
from api.identifiers import new_id
from orgs.keys import PREFIXES, Environment

SLUG = r"^[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?$"
KEPT_AFTER_EXPIRY = timedelta(days=90)
# In Python `$` would also stand before a line's end.
valid_slug = RegexValidator(SLUG.removesuffix("$") + r"\Z", "Use 1 to 63 lower-case letters, digits and inner hyphens.")

DELETION_DELAY_DAYS = 7
MAX_DELETION_DELAY_DAYS = 90


MAX_KEY_DAYS = 3650
MAX_REMINDER_DAYS = 90


class Changing(models.Model):
    """What has a generation: it starts at 1 and grows by exactly 1 per change."""

    generation = models.PositiveBigIntegerField(default=1)

    class Meta:
        abstract = True

    def save_change(self, *fields: str) -> None:
        """Save the named fields as one more generation; the caller holds the row's lock."""
        self.generation += 1
        self.save(update_fields=[*fields, "generation"])


class TenantModel(Changing):
    """A row of one organization, with who owns it: the id of a user, an agent or an API key."""

    id = models.UUIDField(primary_key=True, default=new_id, editable=False)
    organization = models.ForeignKey("orgs.Organization", on_delete=models.CASCADE, related_name="+", db_index=False)
    owner_id = models.UUIDField(editable=False)
    created_at = models.DateTimeField(db_default=Now(), editable=False)

    class Meta:
        abstract = True


class OrganizationQuerySet(models.QuerySet["Organization"]):
    def open(self) -> "OrganizationQuerySet":
        """Leave out those that are being erased: nobody finds them any more."""
        return self.filter(closed_at=None)

    def due(self, now: datetime) -> "OrganizationQuerySet":
        return self.open().filter(deletes_at__lte=now)


class Organization(Changing):
    """A tenant. Everything else belongs to exactly one."""

    id = models.UUIDField(primary_key=True, default=new_id, editable=False)
    name = models.CharField(max_length=200)
    slug = models.CharField(max_length=63, validators=[valid_slug])
    owner_id = models.UUIDField(editable=False)
    created_at = models.DateTimeField(db_default=Now(), editable=False)
    # How long a new key may live, where that has a limit; and how long before a key's end its reminder comes, if ever.
    key_max_days = models.PositiveSmallIntegerField(null=True, blank=True)
    key_reminder_days = models.PositiveSmallIntegerField(default=14, db_default=14)
    metadata = ExactJSONField(default=dict, editable=False)
    # Null: as many as the installation's setting allows (orgs/limits.py).
    max_members = models.PositiveIntegerField(null=True, blank=True)
    max_agents = models.PositiveIntegerField(null=True, blank=True)
    max_api_keys = models.PositiveIntegerField(null=True, blank=True, verbose_name="max API keys")
    # How long a deletion that is asked for can be cancelled.
    deletion_delay_days = models.PositiveSmallIntegerField(default=DELETION_DELAY_DAYS, editable=False)
    # When it will be deleted; null unless somebody has asked for it. Until then all goes on.
    deletes_at = models.DateTimeField(null=True, editable=False)
    # Since when it is closed and being erased, which nothing undoes.
    closed_at = models.DateTimeField(null=True, editable=False)

    objects = OrganizationQuerySet.as_manager()

    class Meta:
        ordering = ["-id"]
        indexes = [
            models.Index(
                fields=["deletes_at"],
                name="orgs_organization_due",
                condition=models.Q(deletes_at__isnull=False, closed_at=None),
            ),
        ]
        constraints = [
            models.CheckConstraint(
                name="orgs_organization_key_max_days",
                condition=models.Q(key_max_days=None) | models.Q(key_max_days__range=(1, MAX_KEY_DAYS)),
            ),
            models.CheckConstraint(
                name="orgs_organization_key_reminder_days",
                condition=models.Q(key_reminder_days__range=(0, MAX_REMINDER_DAYS)),
            ),
            models.CheckConstraint(
                name="orgs_organization_deletion_delay",
                condition=models.Q(deletion_delay_days__range=(1, MAX_DELETION_DELAY_DAYS)),
            ),
            models.CheckConstraint(
                name="orgs_organization_closed_when_due",
                condition=models.Q(closed_at=None) | models.Q(deletes_at__isnull=False),
            ),
            models.UniqueConstraint(
                fields=["slug"],
                name="orgs_organization_slug_unique",
                violation_error_message="An organization with this slug exists.",
            ),
            models.CheckConstraint(name="orgs_organization_slug", condition=models.Q(slug__regex=SLUG)),
        ]

    def __str__(self) -> str:
        return self.name


class Role(models.TextChoices):
    OWNER = "owner"
    ADMIN = "admin"
    MEMBER = "member"


class MembershipQuerySet(models.QuerySet["Membership"]):
    def with_users(self) -> "MembershipQuerySet":
        """Join the columns of a user that a tenant may see; the serving role may read no others."""
        return self.select_related("user").only(
            "organization_id", "owner_id", "role", "generation", "created_at",
            "user__id", "user__email", "user__display_name", "user__is_active",
        )  # fmt: skip

    def of_address(self, organization_id: uuid.UUID, email: str) -> "MembershipQuerySet":
        return self.filter(organization_id=organization_id, user__in=User.objects.with_email(email))


class Membership(TenantModel):
    """A user's place in an organization."""

    user = models.ForeignKey(User, on_delete=models.CASCADE, related_name="memberships")
    role = models.CharField(max_length=10, choices=Role.choices)

    objects = MembershipQuerySet.as_manager()

    class Meta:
        ordering = ["-id"]
        constraints = [
            models.UniqueConstraint(fields=["organization", "user"], name="orgs_membership_unique"),
            models.CheckConstraint(name="orgs_membership_role", condition=models.Q(role__in=Role.values)),
        ]

    def __str__(self) -> str:
        return f"{self.user_id} as {self.role}"


class InvitationQuerySet(models.QuerySet["Invitation"]):
    def undecided(self) -> "InvitationQuerySet":
        """Those neither accepted nor revoked; time may have run out on them."""
        return self.filter(accepted_at=None, revoked_at=None)

    def pending(self, now: datetime) -> "InvitationQuerySet":
        return self.undecided().filter(expires_at__gt=now)

    def in_status(self, status: str, now: datetime) -> "InvitationQuerySet":
        """As `Invitation.status_at` tells it."""
        return {
            Invitation.Status.PENDING: self.pending(now),
            Invitation.Status.EXPIRED: self.undecided().filter(expires_at__lte=now),
            Invitation.Status.ACCEPTED: self.exclude(accepted_at=None),
            Invitation.Status.REVOKED: self.exclude(revoked_at=None),
        }[Invitation.Status(status)]

    def past(self, now: datetime) -> "InvitationQuerySet":
        """Those that ran out so long ago, accepted and revoked ones too, that nobody needs them."""
        return self.filter(expires_at__lt=now - KEPT_AFTER_EXPIRY)

    def to(self, email: str) -> "InvitationQuerySet":
        """Those to an address, whatever its case, compared as the constraint does."""
        return self.alias(lower_email=Lower("email")).filter(lower_email=Lower(models.Value(email)))


class Invitation(TenantModel):
    """A place in an organization, offered to an e-mail address by a link that works once.

    Of the link's token only a digest is kept. `attempts` counts the passwords that were tried with it.
    """

    class Status(models.TextChoices):
        PENDING = "pending"
        ACCEPTED = "accepted"
        REVOKED = "revoked"
        EXPIRED = "expired"

    email = models.EmailField(max_length=254)
    role = models.CharField(max_length=10, choices=Role.choices)
    token_id = models.CharField(max_length=12, unique=True, editable=False)
    digest = models.BinaryField(max_length=32, editable=False)
    expires_at = models.DateTimeField()
    sent_count = models.PositiveIntegerField(default=1, editable=False)
    last_sent_at = models.DateTimeField(editable=False)
    attempts = models.PositiveSmallIntegerField(default=0, editable=False)
    last_attempt_at = models.DateTimeField(null=True, editable=False)
    accepted_at = models.DateTimeField(null=True, editable=False)
    accepted_by = models.ForeignKey(User, null=True, editable=False, on_delete=models.SET_NULL, related_name="+")
    revoked_at = models.DateTimeField(null=True, editable=False)

    objects = InvitationQuerySet.as_manager()

    class Meta:
        ordering = ["-id"]
        indexes = [
            models.Index(fields=["organization", "-id"], name="orgs_invitation_by_org"),
            models.Index(Lower("email"), name="orgs_invitation_by_email"),
        ]
        constraints = [
            models.UniqueConstraint(
                "organization",
                Lower("email"),
                condition=models.Q(accepted_at=None, revoked_at=None),
                name="orgs_invitation_one_open",
            ),
            models.CheckConstraint(name="orgs_invitation_role", condition=models.Q(role__in=Role.values)),
            models.CheckConstraint(
                name="orgs_invitation_one_end", condition=models.Q(accepted_at=None) | models.Q(revoked_at=None)
            ),
        ]

    def __str__(self) -> str:
        return f"{self.email} as {self.role}"

    @property
    def status(self) -> Status:
        return self.status_at(timezone.now())

    def status_at(self, now: datetime) -> Status:
        if self.accepted_at is not None:
            return self.Status.ACCEPTED
        if self.revoked_at is not None:
            return self.Status.REVOKED
        return self.Status.EXPIRED if self.expires_at <= now else self.Status.PENDING


class Agent(TenantModel):
    """A program that acts in an organization: it owns what it makes and may be given tasks."""

    name = models.CharField(max_length=200)
    slug = models.CharField(max_length=63, validators=[valid_slug])
    description = models.TextField(blank=True, max_length=4000)
    # orgs.cards.Card
    card = ExactJSONField(default=dict, db_default={})

    class Meta:
        ordering = ["-id"]
        constraints = [
            models.UniqueConstraint(fields=["organization", "slug"], name="orgs_agent_slug_unique"),
            models.UniqueConstraint(fields=["organization", "id"], name="orgs_agent_of_organization"),
            models.CheckConstraint(name="orgs_agent_slug", condition=models.Q(slug__regex=SLUG)),
        ]

    def __str__(self) -> str:
        return self.name


class APIKeyStatus(models.TextChoices):
    """What has become of a key: the first of these that is true of it."""

    REVOKED = "revoked"
    REPLACED = "replaced"
    EXPIRED = "expired"
    ACTIVE = "active"


class APIKeyQuerySet(models.QuerySet["APIKey"]):
    def standing(self) -> "APIKeyQuerySet":
        """Leave out what was ended or replaced by somebody, whatever its expiry."""
        return self.filter(revoked_at=None, replaced_by=None)

    def in_status(self, status: str, now: datetime) -> "APIKeyQuerySet":
        if status == APIKeyStatus.REVOKED:
            return self.exclude(revoked_at=None)
        if status == APIKeyStatus.REPLACED:
            return self.filter(revoked_at=None).exclude(replaced_by=None)
        if status == APIKeyStatus.EXPIRED:
            return self.standing().filter(expires_at__lte=now)
        return self.standing().filter(models.Q(expires_at=None) | models.Q(expires_at__gt=now))

    def unused_since(self, instant: datetime) -> "APIKeyQuerySet":
        return self.filter(models.Q(last_used_at=None) | models.Q(last_used_at__lt=instant))

    def to_remind_of(self, now: datetime) -> "APIKeyQuerySet":
        """Those that end within their organization's days of notice and were not yet reminded of."""
        notice = models.F("organization__key_reminder_days") * models.Value(timedelta(days=1))
        due = models.ExpressionWrapper(models.F("expires_at") - notice, output_field=models.DateTimeField())
        ending = self.standing().filter(
            reminded_at=None, expires_at__gt=now, expires_at__lte=now + timedelta(days=MAX_REMINDER_DAYS)
        )
        return ending.filter(organization__key_reminder_days__gt=0).alias(due_at=due).filter(due_at__lte=now)


class APIKey(TenantModel):
    """The right to call the API as a user, an agent, or the key itself. Only a digest of the secret is kept."""

    key_id = models.CharField(max_length=12, unique=True, editable=False)
    digest = models.BinaryField(max_length=32, editable=False)
    name = models.CharField(max_length=200)
    scopes = ArrayField(models.CharField(max_length=40))
    user = models.ForeignKey(User, null=True, blank=True, on_delete=models.CASCADE, related_name="+")
    # The constraint is on (organization, agent): orgs.policies.same_organization.
    agent = models.ForeignKey(
        Agent, null=True, blank=True, on_delete=models.CASCADE, related_name="+", db_constraint=False
    )
    environment = models.CharField(
        max_length=11,
        choices=Environment.choices,
        default=Environment.PRODUCTION,
        db_default=Environment.PRODUCTION,
    )
    expires_at = models.DateTimeField(null=True, blank=True)
    # Nobody named the end, the organization's policy gave it: it bounds no other key, nor this one's successor.
    ends_by_policy = models.BooleanField(default=False, db_default=False, editable=False)
    last_used_at = models.DateTimeField(null=True, editable=False)
    revoked_at = models.DateTimeField(null=True, editable=False)
    # When the reminder of the present expiry was published.
    reminded_at = models.DateTimeField(null=True, editable=False)
    # The two sides of a rotation, both within the organization (same_organization). A key is replaced once.
    replaces = models.OneToOneField(
        "self", null=True, editable=False, on_delete=models.SET_NULL, related_name="+", db_constraint=False
    )
    replaced_by = models.OneToOneField(
        "self", null=True, editable=False, on_delete=models.SET_NULL, related_name="+", db_constraint=False
    )

    objects = APIKeyQuerySet.as_manager()

    class Meta:
        verbose_name = "API key"
        verbose_name_plural = "API keys"
        ordering = ["-id"]
        indexes = [
            models.Index(fields=["organization", "-id"], name="orgs_apikey_by_organization"),
            models.Index(
                "organization",
                models.F("last_used_at").asc(nulls_first=True),
                "id",
                name="orgs_apikey_by_last_use",
            ),
            models.Index(
                fields=["expires_at"],
                condition=models.Q(revoked_at=None, replaced_by=None, reminded_at=None),
                name="orgs_apikey_to_remind_of",
            ),
        ]
        constraints = [
            models.UniqueConstraint(fields=["organization", "id"], name="orgs_apikey_of_organization"),
            models.CheckConstraint(name="orgs_apikey_one_bearer", condition=models.Q(user=None) | models.Q(agent=None)),
            models.CheckConstraint(
                name="orgs_apikey_environment", condition=models.Q(environment__in=Environment.values)
            ),
            models.CheckConstraint(
                name="orgs_apikey_ends_by_policy",
                condition=models.Q(ends_by_policy=False) | models.Q(expires_at__isnull=False),
            ),
        ]

    def __str__(self) -> str:
        return f"{PREFIXES[self.environment]}{self.key_id} ({self.name})"


class OrganizationErasure(models.Model):
    """How far the erasing of an organization has come. Its id is the organization's, whose own row goes before it.

    Only `holdfast_system` may read it. It is gone with the last of what the organization had.
    """

    id = models.UUIDField(primary_key=True, editable=False)
    closed_at = models.DateTimeField()
    # The eraser at work, by its name, and where in its table it stands.
    eraser = models.CharField(max_length=60, blank=True)
    position = models.BigIntegerField(default=0)
    # How many rows went, by table.
    counts = models.JSONField(default=dict)
    # When the organization's own row went, and the first transaction number that was not given out by then.
    row_gone_at = models.DateTimeField(null=True)
    horizon = models.BigIntegerField(null=True)

    def __str__(self) -> str:
        return str(self.id)
