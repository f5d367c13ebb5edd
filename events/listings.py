import uuid

from api.cursors import Listing, Page, paginate
from events.models import Event


def page_of_subject(
    organization_id: uuid.UUID, subject_id: uuid.UUID, *, cursor: str | None, limit: int
) -> Page[Event]:
    """Return one page of a subject's events, oldest first, by generation; runs in the organization's scope."""
    events = Event.objects.of_subject(organization_id, subject_id)
    listing = Listing("events", organization_id, (subject_id,))
    return paginate(events, listing, cursor=cursor, limit=limit, by="generation", newest_first=False)
