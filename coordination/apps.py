from django.apps import AppConfig


class CoordinationConfig(AppConfig):
    name = "coordination"
    verbose_name = "Coordination"

    def ready(self) -> None:
        from api.waiting import register_thread_wait
        from coordination.thread_waits import wait_in_thread

        register_thread_wait(wait_in_thread)
