from collections.abc import Iterable

from audit.origin import current_origin
from events.models import Event
from orgs.changes import Change


def publish_all(changes: Iterable[Change]) -> None:
    """Write the events of a batch of changes, in the caller's transaction and scope."""
    Event.objects.bulk_create([_event(change) for change in changes])


def publish(change: Change) -> None:
    """Write the event of one change, in the caller's transaction and scope.

    The unique (subject, generation) makes two writers of one generation impossible.
    """
    _event(change).save(force_insert=True)


def _event(change: Change) -> Event:
    return Event(
        organization_id=change.organization_id,
        subject_type=change.subject_type,
        subject_id=change.subject_id,
        generation=change.generation,
        type=change.event_type,
        owner_id=change.owner_id,
        actor=change.actor,
        request_id=current_origin().request_id,
        facts=change.facts,
    )
