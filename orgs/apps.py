from django.apps import AppConfig
from django.contrib.admin import apps as admin_apps


class ConsoleConfig(admin_apps.AdminConfig):
    """Django's admin with the operators' sign-in."""

    default = False
    default_site = "orgs.console.Console"


class OrgsConfig(AppConfig):
    default = True
    name = "orgs"
    verbose_name = "Organizations"

    def ready(self) -> None:
        from orgs.connections import keep_connections

        keep_connections()
        from accounts.holdings import register
        from accounts.identities import on_relinked
        from orgs import checks, console, organization_erasing  # noqa: F401  (the first two register themselves as they are read)
        from orgs.bearers import forget_user
        from orgs.holdings import HOLDINGS

        on_relinked(forget_user)
        organization_erasing.register_all()
        for holding in HOLDINGS:
            register(holding)
