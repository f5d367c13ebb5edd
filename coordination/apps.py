from django.apps import AppConfig


class CoordinationConfig(AppConfig):
    name = "coordination"
    verbose_name = "Coordination"

    def ready(self) -> None:
        from api.waiting import register_thread_wait
        from coordination.erasing import erase_queues
        from coordination.key_erasing import erase
        from coordination.thread_waits import wait_in_thread
        from orgs import organization_erasers as erasers

        register_thread_wait(wait_in_thread)
        # After the last row that could let somebody write: what is written later would stay.
        erasers.register("queues", erase_queues, order=erasers.ANSWERS)
        erasers.register("valkey", erase, order=erasers.ANSWERS)
