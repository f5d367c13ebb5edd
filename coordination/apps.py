from django.apps import AppConfig


class CoordinationConfig(AppConfig):
    name = "coordination"
    verbose_name = "Coordination"

    def ready(self) -> None:
        from api.waiting import register_thread_wait
        from coordination.api_limits import counting
        from coordination.erasing import erase_queues
        from coordination.key_erasing import erase
        from coordination.thread_waits import wait_in_thread
        from orgs import organization_erasers as erasers
        from orgs import rate_limiting

        register_thread_wait(wait_in_thread)
        rate_limiting.register(rate_limiting.Limiter(counting.check, counting.rates))
        erasers.register_table("coordination_organizationratelimits", order=erasers.IDENTITY)
        # After the last row that could let somebody write: what is written later would stay.
        erasers.register("queues", erase_queues, order=erasers.ANSWERS)
        erasers.register("valkey", erase, order=erasers.ANSWERS)
