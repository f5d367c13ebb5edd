"""The query parameters that every listing takes."""

from typing import Annotated

from pydantic import Field, StringConstraints

from api.cursors import MAX_LIMIT
from api.values import IN_DIGITS

Cursor = Annotated[str, StringConstraints(max_length=500)]
Limit = Annotated[int, Field(ge=1, le=MAX_LIMIT), IN_DIGITS]
