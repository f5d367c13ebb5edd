from django.apps import AppConfig


class CoordinationConfig(AppConfig):
    name = "coordination"
    verbose_name = "Coordination"

    def ready(self) -> None:
        from api.waiting import register_thread_wait
        from coordination.erasing import erase_queues
        from coordination.thread_waits import wait_in_thread
        from orgs import organization_erasers as erasers

        register_thread_wait(wait_in_thread)
        # By then nobody pushes any more.
        erasers.register("queues", erase_queues, order=erasers.ANSWERS)
