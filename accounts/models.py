import base64
from datetime import datetime, timedelta
from importlib import import_module
from typing import Any, ClassVar

from django.conf import settings
from django.contrib.auth.models import AbstractBaseUser, BaseUserManager, PermissionsMixin
from django.contrib.auth.password_validation import validate_password
from django.contrib.sessions.backends.base import SessionBase
from django.contrib.sessions.base_session import AbstractBaseSession
from django.db import models
from django.db.models.functions import Lower, Now
from django_otp.oath import TOTP

from api import encryption
from api.fields import ExactJSONField
from api.identifiers import new_id
from audit.models import Action
from audit.services import record_of_user

# Of a user: saved only where they are named.
OWN_FIELDS = {"id", "preferences", "generation"}
# Together: an operator who may do everything.
POWERS = ("is_active", "is_staff", "is_superuser")


class UserManager(BaseUserManager["User"]):
    def create_user(self, email: str, password: str | None = None, **fields: Any) -> "User":
        """Create a user; `password=None` gives one that cannot sign in with a password."""
        user = self.model(email=email.strip(), **fields)
        user.set_password(password)
        user.save(using=self._db)
        return user

    def create_superuser(self, email: str, password: str | None = None, **fields: Any) -> "User":
        """Create an operator: one who may sign in to the admin and do everything there.

        For Django's command createsuperuser alone, in the system scope that it opens: hence the actor of the entry.
        The password rules hold here, since that command checks what it reads from the environment not at all and lets
        what is typed pass on demand. Raises ValidationError.
        """
        if password is not None:
            validate_password(password, self.model(email=email))
        made = self.create_user(email, password, is_staff=True, is_superuser=True, **fields)
        record_of_user(Action.USER_CREATED, made.id, actor="operator:shell")
        return made

    def with_email(self, email: str | None) -> "models.QuerySet[User]":
        """The user of an address, whatever its case, compared as the unique constraint does.

        `iexact` compares upper-case forms, in which two users that the constraint tells apart may be one (ı and i).
        """
        return self.alias(lower_email=Lower("email")).filter(lower_email=Lower(models.Value(email or "")))

    def get_by_natural_key(self, username: str | None) -> "User":
        return self.with_email(username).get()

    async def aget_by_natural_key(self, username: str | None) -> "User":
        return await self.with_email(username).aget()


class User(AbstractBaseUser, PermissionsMixin):
    """A person. An address is unique whatever its case and is kept as it was typed."""

    id = models.UUIDField(primary_key=True, default=new_id, editable=False)
    email = models.EmailField(max_length=254)
    display_name = models.CharField(max_length=200, blank=True)
    external_id = models.CharField(max_length=255, null=True, blank=True, unique=True)
    is_active = models.BooleanField(default=True)
    is_staff = models.BooleanField("operator", default=False, help_text="May sign in to this console.")
    created_at = models.DateTimeField(db_default=Now())
    preferences = ExactJSONField(default=dict, editable=False)
    # Counted by the database for each change of what GET /me shows of the row: accounts/sql/accounts_count_change.sql.
    generation = models.PositiveBigIntegerField(default=1, editable=False)

    USERNAME_FIELD = "email"
    REQUIRED_FIELDS: ClassVar[list[str]] = []
    objects = UserManager()

    class Meta:
        ordering = ["-id"]
        constraints = [
            models.UniqueConstraint(
                Lower("email"),
                name="accounts_user_email_unique",
                violation_error_message="A user with this e-mail address exists.",
            )
        ]

    def __str__(self) -> str:
        return self.email

    def save(self, *args: Any, **kwargs: Any) -> None:
        # The admin sends an empty string where nothing was typed; two of them would collide.
        self.external_id = self.external_id or None
        if not self._state.adding and kwargs.get("update_fields") is None:
            # The console and a new password save a row that they read a while ago: what is not theirs to change stays.
            kwargs["update_fields"] = [each.name for each in self._meta.concrete_fields if each.name not in OWN_FIELDS]
        super().save(*args, **kwargs)
        # A new user is written without naming fields, and has no session.
        written = {"is_active", "is_staff"} & set(kwargs.get("update_fields") or ())
        if written and not (self.is_active and self.is_staff):
            # At once and for good: one who becomes an operator again signs in again.
            ConsoleSession.objects.of(self).delete()


class UserSettings(models.Model):
    """What programs keep for a user: one JSON object, which nobody but the user reads over the API.

    Written by accounts_store_settings alone, which counts the generations. No row until something was stored.
    """

    user = models.OneToOneField(User, primary_key=True, on_delete=models.CASCADE, related_name="settings")
    document = ExactJSONField()
    generation = models.PositiveBigIntegerField(default=1)
    updated_at = models.DateTimeField(db_default=Now())

    class Meta:
        verbose_name_plural = "user settings"

    def __str__(self) -> str:
        return f"Settings of {self.user_id}"


class ConsoleSessionQuerySet(models.QuerySet["ConsoleSession"]):
    def of(self, user: User) -> "ConsoleSessionQuerySet":
        return self.filter(user=user)

    def live(self, now: datetime) -> "ConsoleSessionQuerySet":
        return self.filter(expire_date__gt=now)

    def over(self, now: datetime) -> "ConsoleSessionQuerySet":
        return self.filter(expire_date__lte=now)


class ConsoleSession(AbstractBaseSession):
    """A browser's session with the console; `session_key` is the SHA-256 digest of what its cookie holds.

    Without a user it is one that still has to send its code.
    """

    SEEN_EVERY = timedelta(minutes=1)

    id = models.UUIDField(primary_key=True, default=new_id, editable=False)
    session_key = models.CharField(max_length=64, unique=True, editable=False)
    user = models.ForeignKey(User, models.CASCADE, null=True, related_name="+")
    started_at = models.DateTimeField()
    last_seen_at = models.DateTimeField()
    address = models.GenericIPAddressField(null=True)
    user_agent = models.CharField(max_length=300, blank=True)

    objects = ConsoleSessionQuerySet.as_manager()  # type: ignore[assignment,misc]  # not the base's, which saves raw keys

    class Meta:
        ordering = ["-id"]

    def __str__(self) -> str:
        return f"{self.user or 'Nobody yet'} from {self.address}"

    @classmethod
    def get_session_store_class(cls) -> type[SessionBase]:
        store: type[SessionBase] = import_module(settings.SESSION_ENGINE).SessionStore
        return store

    @staticmethod
    def end(started_at: datetime, last_seen_at: datetime) -> datetime:
        """Return when a session is over: by its age, or earlier when nobody uses it."""
        age, idle = timedelta(hours=settings.CONSOLE_SESSION_HOURS), timedelta(minutes=settings.CONSOLE_IDLE_MINUTES)
        return min(started_at + age, last_seen_at + idle)

    def see(self, now: datetime, address: str | None, user_agent: str) -> None:
        """Note that the browser came by, once a minute: a write for each request would be one too many."""
        if now - self.last_seen_at < self.SEEN_EVERY:
            return
        ConsoleSession.objects.filter(id=self.id, last_seen_at=self.last_seen_at).update(
            last_seen_at=now, expire_date=self.end(self.started_at, now), address=address, user_agent=user_agent
        )


class FailureCountQuerySet(models.QuerySet["FailureCount"]):
    def over(self, now: datetime) -> "FailureCountQuerySet":
        """What no longer says anything: neither a recent failure, nor a wait, nor a known address."""
        unlocked = models.Q(locked_until=None) | models.Q(locked_until__lte=now)
        unknown = models.Q(succeeded_at=None) | models.Q(succeeded_at__lte=now - FailureCount.KNOWN)
        return self.filter(unlocked, unknown, counted_since__lte=now - FailureCount.window())


class FailureCount(models.Model):
    """Failed sign-ins of an account from a source, or of one of them alone where the other is empty.

    `account` is `user:<id>`, or a digest of what was typed where nobody has that address. Accounts that do not exist
    are counted, and made to wait, as those that do.
    """

    KNOWN = timedelta(days=30)

    account = models.CharField(max_length=64, blank=True)
    source = models.CharField(max_length=50, blank=True)
    failures = models.PositiveIntegerField(default=0)
    counted_since = models.DateTimeField()
    locked_until = models.DateTimeField(null=True)
    succeeded_at = models.DateTimeField(null=True)

    objects = FailureCountQuerySet.as_manager()

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["account", "source"], name="accounts_failurecount_unique"),
            models.CheckConstraint(
                name="accounts_failurecount_of_something", condition=~models.Q(account="", source="")
            ),
        ]

    def __str__(self) -> str:
        return f"{self.failures} of {self.account or 'anyone'} from {self.source or 'anywhere'}"

    @staticmethod
    def window() -> timedelta:
        return timedelta(minutes=settings.SIGN_IN_LOCK_MINUTES)

    @property
    def limit(self) -> int:
        if self.account and self.source:
            return int(settings.SIGN_IN_FAILURES)
        return int(settings.SIGN_IN_ACCOUNT_FAILURES if self.account else settings.SIGN_IN_ADDRESS_FAILURES)

    def locked(self, now: datetime) -> bool:
        return self.locked_until is not None and self.locked_until > now

    def known(self, now: datetime) -> bool:
        return self.succeeded_at is not None and self.succeeded_at > now - self.KNOWN

    def charge(self, now: datetime) -> bool:
        """Count one try, as failed until it is forgiven; return whether it was the last before a wait."""
        if self.locked(now):
            return False
        if self.locked_until is not None or self.counted_since <= now - self.window():
            self.failures, self.counted_since, self.locked_until = 0, now, None
        self.failures += 1
        if self.failures < self.limit:
            return False
        self.locked_until = now + self.window()
        return True

    def forgive(self) -> None:
        """Take back one try that did not fail."""
        self.failures = max(0, self.failures - 1)
        if self.failures < self.limit:
            self.locked_until = None


class TOTPDevice(models.Model):
    """What an operator's authenticator shares with us (RFC 6238); the secret lies encrypted under SECRET_KEY."""

    PURPOSE = "totp secrets"
    # A code of the step before and of the one after count too: clocks differ, and typing takes time.
    TOLERANCE = 1

    user = models.OneToOneField(User, models.CASCADE, primary_key=True, related_name="+")
    secret = models.TextField()
    # The step of the last code that was taken; neither it nor one before it is taken again.
    last_step = models.BigIntegerField(default=-1)
    confirmed_at = models.DateTimeField(null=True)

    def __str__(self) -> str:
        return f"TOTP of {self.user_id}"

    def keep(self, secret: bytes) -> None:
        self.secret = encryption.encrypt(base64.b32encode(secret).decode(), purpose=self.PURPOSE)

    def reveal(self) -> str | None:
        """Return the secret in base32, or None where the SECRET_KEY that it was encrypted under is gone."""
        return encryption.decrypt(self.secret, purpose=self.PURPOSE)

    def take(self, code: str, now: datetime) -> bool:
        """Take a code of six digits once: on a match remember its step. The caller holds the row's lock, and saves."""
        secret = self.reveal()
        if secret is None or not (len(code) == 6 and code.isascii() and code.isdigit()):
            return False
        totp = TOTP(base64.b32decode(secret))
        totp.time = now.timestamp()
        if not totp.verify(int(code), tolerance=self.TOLERANCE, min_t=self.last_step + 1):
            return False
        self.last_step = totp.t()
        # A rotated SECRET_KEY: what is used goes under the new one.
        self.keep(base64.b32decode(secret))
        return True


class BackupCode(models.Model):
    """A code for the day on which the authenticator is lost: 80 random bits, of which the SHA-256 digest is kept."""

    user = models.ForeignKey(User, models.CASCADE, related_name="+")
    digest = models.BinaryField(max_length=32)

    class Meta:
        constraints = [models.UniqueConstraint(fields=["user", "digest"], name="accounts_backupcode_unique")]

    def __str__(self) -> str:
        return f"Backup code of {self.user_id}"


class LinkedIdentity(models.Model):
    """What an OpenID Connect issuer calls a user; a token of that issuer with this subject is theirs."""

    id = models.UUIDField(primary_key=True, default=new_id, editable=False)
    user = models.ForeignKey(User, on_delete=models.CASCADE, related_name="identities")
    issuer = models.CharField(max_length=255)
    subject = models.CharField(max_length=255)
    created_at = models.DateTimeField(db_default=Now(), editable=False)

    class Meta:
        verbose_name_plural = "linked identities"
        ordering = ["-id"]
        constraints = [
            models.UniqueConstraint(
                fields=["issuer", "subject"],
                name="accounts_linkedidentity_unique",
                violation_error_message="This subject of the issuer is linked to a user already.",
            )
        ]

    def __str__(self) -> str:
        return f"{self.subject} of {self.issuer}"


class Erasure(models.Model):
    """The erasure of one person: begun, carried on in batches, and finished with a receipt. Holds no personal data.

    `refused_at` is when the user was last deactivated, from which on all that they had under way comes to its end.
    """

    id = models.UUIDField(primary_key=True, default=new_id, editable=False)
    user_id = models.UUIDField(unique=True)
    requested_at = models.DateTimeField()
    requested_by = models.CharField(max_length=60)
    refused_at = models.DateTimeField()
    finished_at = models.DateTimeField(null=True)
    counts = models.JSONField(default=dict)
    receipt = models.JSONField(null=True)

    class Meta:
        ordering = ["-id"]

    def __str__(self) -> str:
        return f"Erasure of {self.user_id}"

    def count(self, erased: dict[str, int]) -> None:
        """Add what one batch has erased, in the batch's own transaction."""
        for name, number in erased.items():
            if number:
                self.counts[name] = self.counts.get(name, 0) + number
        self.save(update_fields=["counts"])
