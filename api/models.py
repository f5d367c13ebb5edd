from datetime import datetime

from django.db import models
from django.db.models.functions import Now


class IdempotentAnswerQuerySet(models.QuerySet["IdempotentAnswer"]):
    def expired(self, now: datetime) -> "IdempotentAnswerQuerySet":
        return self.filter(expires_at__lte=now)


class IdempotentAnswer(models.Model):
    """The answer to a POST that carried an Idempotency-Key, kept to be given again.

    It is written in the transaction of the work itself, so one is never there without the other. `answer` is
    encrypted: it may hold an API key that is shown once.
    """

    id = models.BigAutoField(primary_key=True)
    organization_id = models.UUIDField()
    owner_id = models.UUIDField()
    principal = models.CharField(max_length=120)
    key = models.CharField(max_length=255)
    fingerprint = models.CharField(max_length=64)
    answer = models.TextField()
    created_at = models.DateTimeField(db_default=Now())
    expires_at = models.DateTimeField(db_index=True)

    objects = IdempotentAnswerQuerySet.as_manager()

    class Meta:
        constraints = [models.UniqueConstraint(fields=["principal", "key"], name="api_idempotentanswer_key")]

    def __str__(self) -> str:
        return f"{self.principal} {self.key}"
