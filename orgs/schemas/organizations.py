"""Organizations on the wire."""

import uuid
from datetime import datetime
from typing import Annotated, Self

from pydantic import AfterValidator, ConfigDict, model_validator

from orgs.models import Role
from orgs.schemas import In, Name, Out, Slug, not_null
from orgs.schemas.api_keys import MintedKeyOut


class OrganizationOut(Out):
    """`deletes_at` is null unless its deletion was asked for: until then everything works, and it can be restored."""

    id: uuid.UUID
    name: str
    slug: str
    owner_id: uuid.UUID
    generation: int
    created_at: datetime
    deletes_at: datetime | None


class OwnOrganizationOut(OrganizationOut):
    """One of the caller's organizations; `role` is null where the caller is no user."""

    role: Role | None


class OrganizationIn(In):
    name: Name
    slug: Slug


class MadeOrganizationOut(Out):
    """`api_key` acts as the caller and holds every scope there; it is shown once."""

    organization: OrganizationOut
    api_key: MintedKeyOut


class OrganizationPatch(In):
    model_config = ConfigDict(json_schema_extra={"minProperties": 1})

    name: Annotated[Name | None, AfterValidator(not_null)] = None
    slug: Annotated[Slug | None, AfterValidator(not_null)] = None

    @model_validator(mode="after")
    def _changes_something(self) -> Self:
        if not self.model_fields_set:
            raise ValueError("must have a name, a slug, or both")
        return self


class UsageOut(Out):
    limit: int
    used: int


class RateOut(Out):
    """So many calls in any window of so many seconds; null is no limit."""

    limit: int | None
    window_seconds: int


class LimitsOut(Out):
    """How many of each thing the organization may have, and has; and how many calls it may make.

    API keys count while they can be used. Of `rate_limits` `default` and `secrets` are for each API key or user.
    """

    limits: dict[str, UsageOut]
    rate_limits: dict[str, RateOut]
