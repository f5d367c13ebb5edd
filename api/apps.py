import psycopg
from django.apps import AppConfig
from django.urls import register_converter
from psycopg.types.string import TextLoader

from api.values import SubjectIdConverter


class APIConfig(AppConfig):
    name = "api"
    verbose_name = "API"

    def ready(self) -> None:
        # `json` columns come back as the text they hold; parsing them would round their decimals.
        psycopg.adapters.register_loader("json", TextLoader)
        register_converter(SubjectIdConverter, "id")
