"""Verbs that make a user, who then belongs to organizations."""

from django.contrib.auth.password_validation import validate_password
from django.core.exceptions import ValidationError

from accounts.models import User
from audit.models import Action
from audit.services import record_of_user


class WeakPassword(Exception):
    """Raised when a password does not pass the configured rules; the message says which."""


def new_user(*, email: str, display_name: str, password: str) -> User:
    """Return a user who is not saved yet, the hash of the password derived. Raises WeakPassword."""
    user = User(email=email, display_name=display_name)
    try:
        validate_password(password, user)
    except ValidationError as error:
        raise WeakPassword(" ".join(error.messages)) from None
    user.set_password(password)
    return user


def add_user(user: User) -> str:
    """Save a new user inside the open scope, and return who they are as an actor. The address may be taken."""
    user.save(force_insert=True)
    actor = f"user:{user.id}"
    record_of_user(Action.USER_CREATED, user.id, actor=actor)
    return actor
