from django.apps import AppConfig


class TasksConfig(AppConfig):
    name = "tasks"

    def ready(self) -> None:
        from accounts.holdings import register
        from events.releasing import release_agent
        from orgs import deletion
        from orgs.departures import on_departure
        from orgs.functions import register_errors
        from tasks import erasing
        from tasks.holdings import TASKS
        from tasks.hot_paths import ERRORS
        from tasks.models import Task

        register_errors(ERRORS)
        on_departure(lambda agent, actor: release_agent(Task, "task", agent, actor))
        deletion.register("tasks", erasing.erase_organization, order=deletion.WORK, tables=erasing.TABLES)
        deletion.register_table("tasks_context", order=deletion.WORK + 1)
        register(TASKS)
