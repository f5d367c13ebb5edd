"""Organizations on the wire."""

import uuid
from datetime import datetime

from orgs.schemas import In, Name, Out, Slug


class OrganizationOut(Out):
    id: uuid.UUID
    name: str
    slug: str
    owner_id: uuid.UUID
    generation: int
    created_at: datetime


class OrganizationIn(In):
    name: Name
    slug: Slug


class OrganizationPatch(In):
    name: Name
