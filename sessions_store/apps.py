from django.apps import AppConfig


class SessionsStoreConfig(AppConfig):
    name = "sessions_store"
    verbose_name = "Sessions"

    def ready(self) -> None:
        from accounts.holdings import register
        from events.releasing import release_agent
        from orgs import organization_erasers as erasers
        from orgs.departures import on_departure
        from orgs.functions import register_errors
        from sessions_store.holdings import SESSIONS
        from sessions_store.hot_paths import ERRORS
        from sessions_store.models import Session

        register_errors(ERRORS)
        on_departure(lambda agent, actor: release_agent(Session, "session", agent, actor))
        erasers.register_table("sessions_store_session", order=erasers.WORK)
        register(SESSIONS)
