"""Policies of how long keys live, as tests set them, and the ends they give."""

from datetime import UTC, datetime, timedelta
from typing import Any

from orgs.models import Organization
from tests.factories import Answer, Caller


def set_policy(caller: Caller, organization: Organization, **fields: Any) -> Answer:
    return caller.patch(f"/orgs/{organization.id}/settings", {"api_keys": fields})


def instant(text: str) -> datetime:
    return datetime.fromisoformat(text)


def in_days(days: float) -> str:
    return (datetime.now(UTC) + timedelta(days=days)).isoformat()
