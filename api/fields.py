"""A JSON column that gives back what was put in, to the digit."""

from typing import Any

from django.db import models
from django.db.backends.base.base import BaseDatabaseWrapper

from api import documents


class ExactJSONField(models.Field):  # type: ignore[type-arg]
    """PostgreSQL's `json`, which keeps the text; `jsonb` would rewrite 1e23 as 24 digits.

    Takes any document that `documents.parse` returns; gives `documents.Raw`, the text ready to be written out.
    """

    def db_type(self, connection: BaseDatabaseWrapper) -> str:
        return "json"

    def get_prep_value(self, value: Any) -> Any:
        return None if value is None else documents.dumps(value)

    def get_placeholder(self, value: Any, compiler: Any, connection: BaseDatabaseWrapper) -> str:
        return "%s::json"

    def from_db_value(
        self, value: str | None, expression: Any, connection: BaseDatabaseWrapper
    ) -> documents.Raw | None:
        return None if value is None else documents.Raw(value)
