from django.apps import AppConfig


class SessionsStoreConfig(AppConfig):
    name = "sessions_store"
    verbose_name = "Sessions"

    def ready(self) -> None:
        from orgs.functions import register_errors
        from sessions_store.hot_paths import ERRORS

        register_errors(ERRORS)
