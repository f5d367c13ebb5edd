from django.apps import AppConfig


class TasksConfig(AppConfig):
    name = "tasks"

    def ready(self) -> None:
        from orgs.functions import register_errors
        from tasks.hot_paths import ERRORS

        register_errors(ERRORS)
