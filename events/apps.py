from django.apps import AppConfig


class EventsConfig(AppConfig):
    name = "events"

    def ready(self) -> None:
        from accounts.holdings import register
        from events.erasing import erase
        from events.holdings import EVENTS
        from events.services import publish
        from orgs import deletion
        from orgs.changes import on_change

        on_change(publish)
        deletion.register("events", erase, order=deletion.EVENTS, tables=["events_event"])
        register(EVENTS)
