"""The console in Chromium, served by the server of production."""

from pathlib import Path

import pytest

from orgs.models import Organization
from tests import factories
from tests.orgs import chromium
from tests.orgs.console import PASSWORD, code_of, make_person, secret_of

pytestmark = pytest.mark.skipif(chromium.CHROMIUM is None, reason="chromium is not installed")

SIGN_IN = """
document.querySelector("#id_username").value = {email!r};
document.querySelector("#id_password").value = {password!r};
document.querySelector("#login-form").submit();
"""

SEND_CODE = """
document.querySelector("#id_code").value = {code!r};
document.querySelector("{form}").submit();
"""
WHERE = "location.pathname + document.readyState"


def test_an_operator_signs_in_and_sees_the_keys(site: str, organization: Organization, tmp_path: Path) -> None:
    operator, minted = make_person(operator=True), factories.make_key(organization)

    with chromium.page(tmp_path / "profile") as page:
        page.open(f"{site}/admin/login/?next=/admin/orgs/apikey/")
        title = page.run("document.title")
        sign_in_page = page.screenshot(tmp_path / "sign-in.png")
        page.run(SIGN_IN.format(email=operator.email, password=PASSWORD))
        chromium.until(lambda: page.run("location.pathname + document.readyState") == "/admin/orgs/apikey/complete")
        listed = page.run("document.querySelector('#result_list').innerText")
        # Unstyled, the header would have no colour of its own.
        background = page.run("getComputedStyle(document.querySelector('#header')).backgroundColor")
        key_list = page.screenshot(tmp_path / "keys.png")

    assert title == "Log in | Holdfast"
    assert f"hf_{minted.row.key_id}" in listed
    assert minted.text not in listed
    assert background != "rgba(0, 0, 0, 0)"
    # Browsers ask for an icon that no page names.
    assert [found for found in page.complaints if not found["entry"]["url"].endswith("/favicon.ico")] == []
    assert min(len(sign_in_page), len(key_list)) > 5_000


def test_an_operator_sets_up_the_second_factor_and_signs_in_with_it(site: str, tmp_path: Path) -> None:
    operator = make_person(operator=True)

    with chromium.page(tmp_path / "profile") as page:
        page.open(f"{site}/admin/login/?next=/admin/totp/enrol/")
        page.run(SIGN_IN.format(email=operator.email, password=PASSWORD))
        chromium.until(lambda: page.run(WHERE) == "/admin/totp/enrol/complete")
        drawn = page.run("document.querySelector('#drawing svg').getBoundingClientRect().width")
        secret = page.run("document.querySelector('#secret').innerText")
        picture = page.screenshot(tmp_path / "enrol.png")
        page.run(SEND_CODE.format(form="#enrol-form", code=code_of(operator, steps=-1)))
        chromium.until(lambda: page.run("!!document.querySelector('#backup-codes')"))
        codes = page.run("document.querySelector('#backup-codes').innerText").split()
        page.run("document.querySelector('#logout-form').submit()")
        chromium.until(lambda: page.run(WHERE) == "/admin/logout/complete")

        page.open(f"{site}/admin/login/")
        page.run(SIGN_IN.format(email=operator.email, password=PASSWORD))
        chromium.until(lambda: page.run(WHERE) == "/admin/login/code/complete")
        page.run(SEND_CODE.format(form="#login-form", code=code_of(operator)))
        chromium.until(lambda: page.run(WHERE) == "/admin/complete")
        links = page.run("document.querySelector('#user-tools').innerText")

    assert drawn > 100
    assert secret == secret_of(operator)
    assert len(codes) == 10
    assert "TWO-STEP SIGN-IN" in links.upper()
    assert len(picture) > 5_000
    assert [found for found in page.complaints if not found["entry"]["url"].endswith("/favicon.ico")] == []
