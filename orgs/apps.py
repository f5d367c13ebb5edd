from django.apps import AppConfig


class OrgsConfig(AppConfig):
    name = "orgs"
    verbose_name = "Organizations"

    def ready(self) -> None:
        from orgs.connections import keep_connections

        keep_connections()
        from orgs import checks, console  # noqa: F401  (both register themselves once the app registry is full)
