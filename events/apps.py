from django.apps import AppConfig


class EventsConfig(AppConfig):
    name = "events"

    def ready(self) -> None:
        from events.services import publish
        from orgs.changes import on_change

        on_change(publish)
