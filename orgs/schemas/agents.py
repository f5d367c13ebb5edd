"""Agents on the wire."""

import uuid
from datetime import datetime
from typing import Annotated

from pydantic import AfterValidator, Field, StringConstraints

from orgs.cards import Card, ShownCard, SmallCard
from orgs.schemas import In, Name, Out, Slug, not_null


class AgentIn(In):
    name: Name
    slug: Slug
    description: Annotated[str, StringConstraints(max_length=4000)] = ""
    card: SmallCard = Card()


class AgentPatch(In):
    name: Annotated[Name | None, AfterValidator(not_null)] = None
    slug: Annotated[Slug | None, AfterValidator(not_null)] = None
    description: Annotated[str | None, Field(max_length=4000), AfterValidator(not_null)] = None
    # Replaced as a whole.
    card: Annotated[SmallCard | None, AfterValidator(not_null)] = None


class AgentOut(Out):
    id: uuid.UUID
    name: str
    slug: str
    description: str
    card: ShownCard
    owner_id: uuid.UUID
    generation: int
    created_at: datetime
