from django.apps import AppConfig


class EventsConfig(AppConfig):
    name = "events"

    def ready(self) -> None:
        from accounts.holdings import register
        from events.erasing import erase
        from events.holdings import EVENTS
        from events.services import publish
        from orgs import organization_erasers as erasers
        from orgs.changes import on_change

        on_change(publish)
        erasers.register("events", erase, order=erasers.EVENTS, tables=["events_event"])
        register(EVENTS)
