import psycopg
from django.apps import AppConfig
from psycopg.types.string import TextLoader


class APIConfig(AppConfig):
    name = "api"
    verbose_name = "API"

    def ready(self) -> None:
        # `json` columns come back as the text they hold; parsing them would round their decimals.
        psycopg.adapters.register_loader("json", TextLoader)
