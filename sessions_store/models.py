from django.db import models
from django.db.models.functions import Now

from api.fields import ExactJSONField
from coordination.fencing import Fenced
from orgs.models import Agent, TenantModel


class SessionQuerySet(models.QuerySet["Session"]):
    def without_state(self) -> "SessionQuerySet":
        """A listing never reads states: each may have megabytes."""
        return self.defer("state")


class Session(Fenced, TenantModel):
    """The working memory of one conversation: a JSON object that agents replace and patch."""

    # The constraint is on (organization, agent): orgs.policies.same_organization.
    agent = models.ForeignKey(
        Agent, null=True, blank=True, on_delete=models.SET_NULL, related_name="+", db_constraint=False
    )
    title = models.CharField(max_length=500, blank=True)
    state = ExactJSONField()
    metadata = ExactJSONField()
    # No index on this column: it changes with every write, which would then not be an in-place (HOT) update.
    updated_at = models.DateTimeField(db_default=Now())

    objects = SessionQuerySet.as_manager()

    class Meta:
        indexes = [models.Index(fields=["organization", "-id"], name="sessions_by_organization")]

    def __str__(self) -> str:
        return self.title or str(self.id)
