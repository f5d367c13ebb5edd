"""Nothing is held of a person that no holding knows of."""

import pytest
from django.apps import apps
from django.db import models

from accounts.holdings import Holding, holdings, register
from accounts.models import User
from tests.statements import system_rows

# Names of columns that hold who owns, did or is meant, as ids or as `user:<id>`.
NAMES = {"owner_id", "user_id", "actor", "actor_id", "subject_id", "object_id", "requested_by", "invited_by"}


def names_a_person(field: models.Field) -> bool:  # type: ignore[type-arg]
    return field.related_model is User or field.attname in NAMES or field.attname.endswith("_by")


def columns_of_persons() -> set[str]:
    found = {"accounts.User.id"}
    for model in apps.get_models(include_auto_created=True):
        fields = [field for field in model._meta.concrete_fields if names_a_person(field)]
        found |= {f"{model._meta.label}.{field.attname}" for field in fields}
    return found


def test_every_column_that_may_name_a_user_is_claimed_by_a_holding() -> None:
    claimed = {claim for holding in holdings() for claim in holding.claims}

    assert columns_of_persons() == claimed


def test_a_column_is_claimed_once() -> None:
    claims = [claim for holding in holdings() for claim in holding.claims]

    assert len(claims) == len(set(claims))


def test_a_holding_that_claims_something_erases_it_or_says_why_it_stays() -> None:
    # The user's own row goes last, when all else is gone.
    silent = {holding.name for holding in holdings() if not (holding.erase or holding.kept)}

    assert silent == {"profile"}


def test_a_name_has_one_holding() -> None:
    with pytest.raises(ValueError, match="sessions already"):
        register(Holding("sessions", claims=()))


@pytest.mark.parametrize("table", ["accounts_erasure"])
def test_a_tenants_role_has_no_right_on_erasures(table: str) -> None:
    rights = "SELECT has_table_privilege('holdfast_app', %s, 'SELECT, INSERT, UPDATE, DELETE')"

    assert system_rows(rights, table) == [(False,)]
