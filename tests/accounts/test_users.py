import uuid

import pytest
from django.db import IntegrityError

from accounts.models import User
from api.identifiers import new_id
from orgs import tenancy
from tests import factories


def unique(name: str) -> str:
    return f"{name}-{uuid.uuid4().hex}@Example.com"


def test_a_user_id_is_a_version_7_uuid() -> None:
    user = factories.make_user()

    assert (user.id.version, user.id.variant) == (7, uuid.RFC_4122)


def test_new_ids_sort_in_the_order_they_were_made() -> None:
    made = [new_id() for _ in range(2000)]

    assert made == sorted(set(made))


def test_an_address_is_kept_as_it_was_typed() -> None:
    email = unique("Ada.Lovelace")

    user = factories.make_user(email=f" {email} ")

    with tenancy.system():
        assert User.objects.get(id=user.id).email == email


def test_the_database_refuses_an_address_that_differs_only_in_case() -> None:
    email = unique("Ada")
    factories.make_user(email=email)

    with pytest.raises(IntegrityError, match="accounts_user_email_unique"):
        factories.make_user(email=email.swapcase())


def test_a_user_is_found_by_address_whatever_its_case() -> None:
    user = factories.make_user(email=unique("Ada"))

    with tenancy.system():
        assert User.objects.get_by_natural_key(user.email.swapcase()) == user


def test_addresses_that_only_upper_case_makes_equal_are_two_users() -> None:
    rest = unique("")
    plain, dotless = factories.make_user(email=f"i{rest}"), factories.make_user(email=f"ı{rest}")

    with tenancy.system():
        found = [User.objects.get_by_natural_key(user.email) for user in (plain, dotless)]

    assert found == [plain, dotless]


def test_an_external_id_belongs_to_one_user() -> None:
    external_id = uuid.uuid4().hex
    factories.make_user(external_id=external_id)

    with pytest.raises(IntegrityError, match="external_id"):
        factories.make_user(external_id=external_id)


def test_any_number_of_users_have_no_external_id() -> None:
    users = [factories.make_user(external_id=given) for given in ("", "", None)]

    assert [user.external_id for user in users] == [None, None, None]


def test_a_user_without_a_password_cannot_sign_in_with_one() -> None:
    user = factories.make_user()

    assert not user.has_usable_password()
