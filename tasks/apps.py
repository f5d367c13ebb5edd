from django.apps import AppConfig


class TasksConfig(AppConfig):
    name = "tasks"

    def ready(self) -> None:
        from accounts.holdings import register
        from events.releasing import release_agent
        from orgs import organization_erasers as erasers
        from orgs.departures import on_departure
        from orgs.functions import register_errors
        from tasks import erasing
        from tasks.holdings import TASKS
        from tasks.hot_paths import ERRORS
        from tasks.models import Task

        register_errors(ERRORS)
        on_departure(lambda agent, actor: release_agent(Task, "task", agent, actor))
        erasers.register("tasks", erasing.erase_organization, order=erasers.WORK, tables=erasing.TABLES)
        erasers.register_table("tasks_context", order=erasers.WORK + 1)
        register(TASKS)
