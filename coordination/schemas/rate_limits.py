"""What the rate limits take and answer; which numbers may be is for coordination/rate_limits.py to say."""

from typing import Annotated

from pydantic import Field

from api.values import IN_NUMERALS, IN_SIGNED_DIGITS, INTEGER, Number
from coordination.rate_limits import MAX_REQUESTS, MAX_WINDOW_SECONDS, MIN_WINDOW_SECONDS, Decision
from orgs.schemas import In, Out

MAX_REQUESTS_SAID = f"How much may be spent in any window: 1 to {MAX_REQUESTS:,}, else 400 `invalid-limit`."
SECONDS = f"{MIN_WINDOW_SECONDS:g} to {MAX_WINDOW_SECONDS:,}"
WINDOW_SAID = f"The window in seconds, fractions too: {SECONDS}, else 400 `invalid-window`."
COST_SAID = "What this call spends: 1 to `max_requests`, else 400 `invalid-cost`."


class CheckIn(In):
    max_requests: Annotated[int, Field(description=MAX_REQUESTS_SAID), INTEGER]
    window_seconds: Annotated[Number, Field(description=WINDOW_SAID)]
    cost: Annotated[int, Field(description=COST_SAID), INTEGER] = 1


# The same in a query.
MaxRequests = Annotated[int, Field(description=MAX_REQUESTS_SAID), IN_SIGNED_DIGITS]
WindowSeconds = Annotated[float, Field(description=WINDOW_SAID), IN_NUMERALS]
Cost = Annotated[int, Field(description=COST_SAID), IN_SIGNED_DIGITS]


class DecisionOut(Out):
    allowed: bool
    remaining: int = Field(description="What may still be spent now.")
    retry_after: float = Field(description="Seconds until this cost fits, if nobody else spends; 0 when it is allowed.")
    reset: float = Field(description="Seconds until nothing is spent any more.")
    limit: int = Field(description="`max_requests` of the call.")
    window: float = Field(description="`window_seconds` of the call.")


def decided(decision: Decision, limit: int, window: float) -> DecisionOut:
    return DecisionOut(**decision._asdict(), limit=limit, window=window)
