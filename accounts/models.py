from typing import Any, ClassVar

from django.contrib.auth.models import AbstractBaseUser, BaseUserManager, PermissionsMixin
from django.db import models
from django.db.models.functions import Lower, Now

from api.fields import ExactJSONField
from api.identifiers import new_id
from audit.models import Action
from audit.services import record

# Of a user: saved only where they are named.
OWN_FIELDS = {"id", "preferences", "generation"}


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
        """
        made = self.create_user(email, password, is_staff=True, is_superuser=True, **fields)
        record(
            Action.USER_CREATED, organization_id=None, actor="operator:shell", subject_type="user", subject_id=made.id
        )
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
