"""Agents on the wire."""

import uuid
from datetime import datetime
from typing import Annotated

from pydantic import AfterValidator, Field, StringConstraints

from orgs.schemas import In, Name, Out, Slug


class AgentIn(In):
    name: Name
    slug: Slug
    description: Annotated[str, StringConstraints(max_length=4000)] = ""


def _not_null(value: str | None) -> str | None:
    if value is None:
        raise ValueError("may be left out, but not be null")
    return value


class AgentPatch(In):
    name: Annotated[Name | None, AfterValidator(_not_null)] = None
    slug: Annotated[Slug | None, AfterValidator(_not_null)] = None
    description: Annotated[str | None, Field(max_length=4000), AfterValidator(_not_null)] = None


class AgentOut(Out):
    id: uuid.UUID
    name: str
    slug: str
    description: str
    owner_id: uuid.UUID
    generation: int
    created_at: datetime
