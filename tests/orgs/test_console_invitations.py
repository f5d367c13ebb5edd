"""Operators see invitations and revoke them; they make none and see no token."""

import uuid
from datetime import UTC, datetime
from typing import Any

import pytest

from accounts.models import User
from tests.factories import Caller
from tests.orgs.console import Browser, entries_of
from tests.orgs.invitations import accept, change, invite, look_up, row_of

LIST = "/admin/orgs/invitation/"


def revoke(browser: Browser, invited: dict[str, Any], **headers: str) -> Any:
    form = {"action": "revoke", "_selected_action": invited["id"]}
    return browser.send(f"{LIST}?q={invited['email']}", form, **headers)


def test_an_invitation_is_seen_without_its_token(browser: Browser, founder: Caller) -> None:
    made = invite(founder)

    pages = [
        browser.open(path).content.decode() for path in (f"{LIST}?q={made['email']}", f"{LIST}{made['id']}/change/")
    ]

    assert all(made["email"] in page and "pending" in page for page in pages)
    assert [page for page in pages if made["token"].split("_")[1] in page] == []
    digest = bytes(row_of(made).digest)
    assert [page for page in pages if digest.hex() in page or repr(digest) in page] == []


def test_an_operator_revokes_an_invitation(browser: Browser, operator: User, founder: Caller) -> None:
    made, name = invite(founder), uuid.uuid4().hex

    answer = revoke(browser, made, X_Request_Id=name)

    assert (answer.status_code, look_up(made["token"]).code) == (302, "invitation-revoked")
    assert entries_of(name) == [("invitation.revoked", f"operator:{operator.id}", made["id"], "success")]


@pytest.mark.parametrize("end", ["accepted", "revoked"])
def test_what_is_over_is_not_revoked(browser: Browser, founder: Caller, end: str) -> None:
    made, name = invite(founder), uuid.uuid4().hex
    accept(made) if end == "accepted" else change(made, revoked_at=datetime.now(UTC))

    answer = revoke(browser, made, X_Request_Id=name)

    assert (answer.status_code, entries_of(name)) == (302, [])


@pytest.mark.parametrize("path", ["add/", "{id}/delete/"])
def test_an_operator_neither_makes_nor_deletes_invitations(browser: Browser, founder: Caller, path: str) -> None:
    made = invite(founder)

    assert browser.open(f"{LIST}{path.format(**made)}").status_code == 403
