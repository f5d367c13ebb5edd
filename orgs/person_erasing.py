"""Erasing what this app holds of a person, in the open system scope."""

import logging
import uuid

from django.db import transaction
from django.db.models import Q
from django.db.models.functions import Lower

from accounts.models import User
from audit.models import Action
from orgs.authentication import forget
from orgs.models import APIKey, Invitation, Membership, Organization
from orgs.services.members import LastOwner, erase_place
from orgs.services.recording import note

logger = logging.getLogger("holdfast.erasing")

BATCH = 100


def leave_organizations(user_id: uuid.UUID, *, actor: str) -> int:
    """Take away every place of the user; return how many there were.

    Raises LastOwner, with the slugs of all organizations that would be left without an owner and are to stay.
    """
    left, alone = _leave(user_id, actor)
    if alone:
        slugs = ", ".join(sorted(alone))
        raise LastOwner(f"Name another owner first, or ask for the deletion of the organization: {slugs}.")
    return left


def _leave(user_id: uuid.UUID, actor: str) -> tuple[int, list[str]]:
    """Return how many places went, and the slugs of the organizations that would be left without an owner.

    Organizations are locked by their ids' order, so that two who leave the same ones do not wait for each other.
    """
    places = Membership.objects.filter(user_id=user_id).select_related("organization").order_by("organization_id")
    left, alone = 0, []
    for place in places:
        try:
            with transaction.atomic():
                erase_place(place.id, actor=actor)
            left += 1
        except LastOwner:
            alone.append(place.organization.slug)
        except (Membership.DoesNotExist, Organization.DoesNotExist):
            # Taken away by another since it was listed, or gone with its organization.
            continue
    return left, alone


def delete_api_keys_batch(where: Q, *, actor: str, limit: int = BATCH) -> int:
    """Delete up to `limit` of these keys, each with its last event, and return how many went."""
    keys = list(APIKey.objects.filter(where).order_by("id").select_for_update(of=("self",))[:limit])
    for key in keys:
        key.generation += 1
        note(Action.API_KEY_DELETED, key, actor)
        transaction.on_commit(lambda key_id=key.key_id: forget(key_id))  # type: ignore[misc]
    APIKey.objects.filter(id__in=[key.id for key in keys]).delete()
    return len(keys)


def erase_places(user_id: uuid.UUID, actor: str) -> dict[str, int]:
    """Take away places that were given since the erasure was asked for.

    One that cannot be is told in the log and holds nothing else up; the erasure does not end before it is gone.
    """
    left, alone = _leave(user_id, actor)
    if alone:
        logger.warning("The erasure of the user %s waits for another owner of: %s", user_id, ", ".join(sorted(alone)))
    return {"memberships": left}


def erase_invitations(user_id: uuid.UUID, actor: str) -> dict[str, int]:
    """Delete a batch of the invitations that the user accepted, or that were sent to their address."""
    address = User.objects.filter(id=user_id).values_list(Lower("email"))
    theirs = Q(accepted_by_id=user_id) | Q(lower_email__in=address)
    rows = Invitation.objects.alias(lower_email=Lower("email")).filter(theirs).order_by("id")
    invitations = list(rows.select_for_update(of=("self",))[:BATCH])
    for invitation in invitations:
        invitation.generation += 1
        note(Action.INVITATION_DELETED, invitation, actor)
    Invitation.objects.filter(id__in=[invitation.id for invitation in invitations]).delete()
    return {"invitations": len(invitations)}


def erase_api_keys(user_id: uuid.UUID, actor: str) -> dict[str, int]:
    return {"api_keys": delete_api_keys_batch(Q(user_id=user_id), actor=actor)}
