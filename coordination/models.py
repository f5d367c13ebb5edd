"""What of coordination is in PostgreSQL."""

from django.db import models

from orgs.models import Changing, Organization

# What an epoch may be: with 16 bits of a count behind it, a fencing number is exact in every JSON (below 2^53). By the
# clock that is until 2093.
EPOCHS = 2**37


class OrganizationRateLimits(Changing):
    """How many calls an organization may make in a window, where an operator said so; null is the installation's.

    Nobody in the organization owns it: operators decide of it.
    """

    organization = models.OneToOneField(
        Organization, primary_key=True, on_delete=models.CASCADE, related_name="+", db_index=False
    )
    key_requests = models.PositiveIntegerField(
        null=True, blank=True, help_text="Calls of one API key or user in a window; 0 is no limit, empty the default."
    )
    organization_requests = models.PositiveIntegerField(
        null=True, blank=True, help_text="Calls of all of them together; likewise."
    )

    class Meta:
        verbose_name = verbose_name_plural = "rate limits of an organization"
        ordering = ["-organization_id"]

    def __str__(self) -> str:
        return f"Rate limits of {self.organization_id}"


class FencingEpoch(models.Model):
    """The epoch that fencing numbers begin with: one row for the whole service, which only rises."""

    id = models.PositiveSmallIntegerField(primary_key=True, default=1)
    epoch = models.BigIntegerField()

    class Meta:
        constraints = [
            models.CheckConstraint(name="coordination_fencingepoch_one", condition=models.Q(id=1)),
            models.CheckConstraint(
                name="coordination_fencingepoch_range", condition=models.Q(epoch__gt=0, epoch__lt=EPOCHS)
            ),
        ]

    def __str__(self) -> str:
        return str(self.epoch)
