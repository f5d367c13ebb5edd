"""Verbs that make a user together with the first organization and key."""

import secrets
from dataclasses import dataclass

from accounts.models import User
from orgs import tenancy
from orgs.models import Organization
from orgs.services.api_keys import MintedKey
from orgs.services.constraints import EmailTaken, SlugTaken, constraints
from orgs.services.organizations import create_with_key
from orgs.services.people import add_user, new_user


@dataclass(frozen=True)
class SignUp:
    user: User
    organization: Organization
    minted: MintedKey


def sign_up(*, email: str, display_name: str, password: str, name: str, slug: str) -> SignUp:
    """Create a user, an organization that they own, and a key with every scope, all or nothing."""
    # Deriving the hash takes a good part of a second: before the transaction, unless the gate has opened one.
    user = new_user(email=email, display_name=display_name, password=password)
    with constraints(), tenancy.system():
        add_user(user)
        made, minted = create_with_key(name=name, slug=slug, owner=user)
    return SignUp(user, made, minted)


def bootstrap(*, email: str, slug: str) -> tuple[SignUp, str] | None:
    """On the first start make an operator, an organization and a key, and return them with the password; else None."""
    password = secrets.token_urlsafe(18)
    try:
        with tenancy.system():
            if Organization.objects.exists() or User.objects.filter(is_superuser=True).exists():
                return None
            made = sign_up(email=email, display_name="Operator", password=password, name=slug.title(), slug=slug)
            made.user.is_staff = made.user.is_superuser = True
            made.user.save(update_fields=["is_staff", "is_superuser"])
    except (EmailTaken, SlugTaken):
        # Another machine made its first start on the same database at this moment.
        return None
    return made, password
