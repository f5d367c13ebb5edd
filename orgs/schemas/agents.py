"""Agents on the wire."""

import uuid
from datetime import datetime
from typing import Annotated, TypeVar

from pydantic import AfterValidator, Field, StringConstraints

from orgs.cards import Card, ShownCard, SmallCard
from orgs.schemas import In, Name, Out, Slug

T = TypeVar("T")


class AgentIn(In):
    name: Name
    slug: Slug
    description: Annotated[str, StringConstraints(max_length=4000)] = ""
    card: SmallCard = Card()


def _not_null(value: T) -> T:
    if value is None:
        raise ValueError("may be left out, but not be null")
    return value


class AgentPatch(In):
    name: Annotated[Name | None, AfterValidator(_not_null)] = None
    slug: Annotated[Slug | None, AfterValidator(_not_null)] = None
    description: Annotated[str | None, Field(max_length=4000), AfterValidator(_not_null)] = None
    # Replaced as a whole.
    card: Annotated[SmallCard | None, AfterValidator(_not_null)] = None


class AgentOut(Out):
    id: uuid.UUID
    name: str
    slug: str
    description: str
    card: ShownCard
    owner_id: uuid.UUID
    generation: int
    created_at: datetime
