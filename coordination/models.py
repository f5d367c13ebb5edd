from django.db import models

# What an epoch may be: with 16 bits of a count behind it, a fencing number is exact in every JSON (below 2^53). By the
# clock that is until 2093.
EPOCHS = 2**37


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
