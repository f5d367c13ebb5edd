"""The cache on the wire. Names, times and sizes are checked where they are used: each has an error of its own."""

from typing import Annotated, Any, Literal

from pydantic import Field

from api.values import Flag, Number
from orgs.schemas import In, Out

Value = Annotated[Any, Field(description="Any JSON value of at most 512 KiB.")]
Names = Annotated[list[str], Field(description="At most 100 names.")]
Token = Annotated[str, Field(min_length=1, max_length=200)]
TTL = Annotated[Number, Field(description="For how long the value is fresh: above 0, at most 30 days.")]
Stale = Annotated[Number, Field(description="For how long it is kept after that, as a stale one.")]


class CachedIn(In):
    value: Value
    ttl_seconds: TTL
    stale_seconds: Stale = 0
    token: Annotated[Token | None, Field(description="Of the lease, where the value was computed under one.")] = None


class CachedOut(Out):
    value: Any
    fresh: Flag
    expires_in_seconds: Annotated[float, Field(description="Number until it is no longer fresh; 0 when it is stale.")]


class StoredOut(Out):
    stored: Flag
    available: Annotated[Flag, Field(description="False when Valkey is gone.")]


class NamesIn(In):
    names: Names


class CachedManyIn(In):
    values: Annotated[dict[str, Any], Field(description="At most 100 values by name, of 4 MiB together.")]
    ttl_seconds: TTL
    stale_seconds: Stale = 0


class CachedManyOut(Out):
    entries: dict[str, CachedOut]
    left_out: Annotated[list[str], Field(description="Names to ask for again: the answer has 4 MiB without them.")]
    available: Flag


class ComputeIn(In):
    compute_seconds: Annotated[Number, Field(description="How long the caller may take: above 0, at most an hour.")]
    wait_seconds: Annotated[Number, Field(description="How long to wait for another's value: at most 20.")] = 0


class GiveUpIn(In):
    """The token is a secret of whoever computes: no address may hold it, since addresses are logged."""

    token: Token


class TurnOut(Out):
    """What there is: `hit` and `stale` come with a value. With `compute` it is the caller who computes, and stores the
    value with the token; with `pending` somebody else does, for `ends_in_seconds` seconds at most."""

    status: Literal["hit", "stale", "compute", "pending"]
    value: Any = None
    expires_in_seconds: float | None
    token: Annotated[str | None, Field(description="With `compute`; null when Valkey is gone, and nothing is stored.")]
    ends_in_seconds: float | None
    available: Flag
