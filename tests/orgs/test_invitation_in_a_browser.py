"""The page of an invitation in Chromium, served by the server of production."""

from pathlib import Path

import pytest

from orgs.models import Organization
from tests.factories import Caller
from tests.orgs import chromium
from tests.orgs.console import PASSWORD
from tests.orgs.invitations import invite, new_email

pytestmark = pytest.mark.skipif(chromium.CHROMIUM is None, reason="chromium is not installed")

FILL_IN = """
document.querySelector("#name").value = "Ada";
document.querySelector("#password").value = {password!r};
document.querySelector("#accept").click();
"""
SHOWN = "document.querySelector('{}')?.checkVisibility() ? document.querySelector('{}').textContent : ''"


def shown(page: chromium.Page, selector: str) -> str:
    return str(page.run(SHOWN.format(selector, selector)) or "")


def test_who_is_invited_joins_and_sees_the_key_once(
    site: str, founder: Caller, organization: Organization, tmp_path: Path
) -> None:
    made = invite(founder)

    with chromium.page(tmp_path / "profile") as page:
        page.open(f"{site}/invitation#{made['token']}")
        chromium.until(lambda: shown(page, "#form"))
        offered = [shown(page, selector) for selector in ("#organization", "#role")]
        email = page.run("document.querySelector('#email').value")
        picture = page.screenshot(tmp_path / "invitation.png")
        page.run(FILL_IN.format(password=PASSWORD))
        chromium.until(lambda: shown(page, "#key"))
        key, address = shown(page, "#key"), page.run("location.href")
        rest = page.run("document.documentElement.outerHTML")

    assert (offered, email) == ([organization.name, "member"], made["email"])
    me = Caller(key).get("/me").json
    assert (me["organization"]["id"], me["role"]) == (str(organization.id), "member")
    assert address == f"{site}/invitation"
    assert made["token"] not in rest
    assert page.complaints == []
    assert len(picture) > 5_000


def test_a_refusal_is_told_and_can_be_made_good(site: str, founder: Caller, tmp_path: Path) -> None:
    made = invite(founder)

    with chromium.page(tmp_path / "profile") as page:
        page.open(f"{site}/invitation#{made['token']}")
        chromium.until(lambda: shown(page, "#form"))
        page.run(FILL_IN.format(password="short"))
        chromium.until(lambda: "too short" in shown(page, "#state"))
        page.run(FILL_IN.format(password=PASSWORD))
        chromium.until(lambda: shown(page, "#key"))
        key = shown(page, "#key")

    assert Caller(key).get("/me").json["role"] == "member"


def test_a_link_without_an_invitation_says_so(site: str, founder: Caller, tmp_path: Path) -> None:
    made = invite(founder, email=new_email())
    founder.delete(f"/invitations/{made['id']}")

    with chromium.page(tmp_path / "profile") as page:
        said = []
        for name, fragment in (("revoked", made["token"]), ("unknown", "hfi_"), ("bare", "")):
            page.open(f"{site}/invitation?{name}#{fragment}" if fragment else f"{site}/invitation?{name}")
            chromium.until(lambda: "Reading" not in shown(page, "#state"))
            said.append(shown(page, "#state"))

    assert said == [
        "This invitation was revoked.",
        "There is no such invitation: ask for another link.",
        "This address holds no invitation: open the whole link that you were given.",
    ]
