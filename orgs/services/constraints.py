"""What the database refuses, in the words of the domain: one constraint, one error."""

from collections.abc import Iterator
from contextlib import contextmanager

from django.db import IntegrityError


class EmailTaken(Exception):
    """Raised when a user with this address exists, whatever its case."""


class SlugTaken(Exception):
    """Raised when the slug belongs to another organization, or to another agent of this one."""


class AlreadyMember(Exception):
    """Raised when a user is given a second place in an organization."""


class InvitationExists(Exception):
    """Raised when an address has an open invitation to the organization."""


# One constraint, one domain error; anything else is a defect and stays an IntegrityError.
CONSTRAINTS: dict[str, tuple[type[Exception], str]] = {
    "accounts_user_email_unique": (EmailTaken, "A user with this e-mail address exists."),
    "orgs_organization_slug_unique": (SlugTaken, "An organization with this slug exists."),
    "orgs_agent_slug_unique": (SlugTaken, "An agent with this slug exists."),
    "orgs_membership_unique": (AlreadyMember, "This user is a member already."),
    "orgs_invitation_one_open": (InvitationExists, "This address is invited already: resend or revoke that one."),
}


@contextmanager
def constraints() -> Iterator[None]:
    """Turn the violation of a known constraint into its domain error, outside the transaction that it broke."""
    try:
        yield
    except IntegrityError as error:
        name = getattr(getattr(error.__cause__, "diag", None), "constraint_name", None)
        if name not in CONSTRAINTS:
            raise
        kind, sentence = CONSTRAINTS[name]
        raise kind(sentence) from None
