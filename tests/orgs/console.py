"""The operators' console as a browser sees it."""

import base64
import re
import secrets
import uuid
from dataclasses import dataclass, field
from typing import Any

from django.test import Client
from django.utils import timezone
from django_otp.oath import TOTP

from accounts import lockout
from accounts.models import TOTPDevice, User
from orgs import tenancy
from tests.statements import system_rows

PASSWORD = "correct horse battery staple"
BACKUP_CODE = re.compile(r"\b(?:[a-z2-7]{4}-){3}[a-z2-7]{4}\b")
TOKEN = re.compile(rb'name="csrfmiddlewaretoken" value="(\w+)"')


def make_person(*, operator: bool) -> User:
    with tenancy.system():
        return User.objects.create_user(
            f"{uuid.uuid4().hex}@example.com", PASSWORD, is_staff=operator, is_superuser=operator
        )


@dataclass
class Browser:
    """A client that keeps cookies, sends the forms it was given, and is held to CSRF protection."""

    client: Client = field(default_factory=lambda: Client(enforce_csrf_checks=True))

    def open(self, path: str, **headers: str) -> Any:
        return self.client.get(path, headers=headers)

    def send(self, path: str, form: dict[str, Any], **headers: str) -> Any:
        """Open the page at `path`, then send its form with these fields."""
        token = TOKEN.search(self.open(path).content)
        assert token is not None, path
        return self.client.post(path, {"csrfmiddlewaretoken": token[1].decode(), **form}, headers=headers)

    def sign_in(self, user: User, password: str = PASSWORD, **headers: str) -> Any:
        form = {"username": user.email, "password": password, "next": "/admin/"}
        return self.send("/admin/login/", form, **headers)


def entries_of(request_id: str) -> list[tuple[Any, ...]]:
    """Return action, actor, subject and outcome of what a request left in the audit trail."""
    return system_rows(
        "SELECT action, actor, subject_id, outcome FROM audit_entry WHERE request_id = %s ORDER BY id", request_id
    )


def browser_at(address: str) -> Browser:
    """Return a browser whose requests come from this address."""
    return Browser(Client(enforce_csrf_checks=True, REMOTE_ADDR=address))


def new_address() -> str:
    """Return an address of a network that no other test uses."""
    return f"2001:db8:{secrets.token_hex(2)}:{secrets.token_hex(2)}::1"


def fail_to_sign_in(user: User, address: str) -> None:
    """Try wrong passwords from this address until the account has to wait there."""
    with tenancy.system():
        now = timezone.now()
        while not lockout.charge(lockout.name_of(user), lockout.source_of(address), now=now).locked:
            pass


def secret_of(user: User) -> str:
    """Return the secret that the user's authenticator holds, in base32."""
    with tenancy.system():
        secret = TOTPDevice.objects.get(user=user).reveal()
    assert secret is not None
    return secret


def code_of(user: User, *, steps: int = 0) -> str:
    """Return the code that the user's authenticator shows, now or some steps of half a minute later."""
    return f"{TOTP(base64.b32decode(secret_of(user)), drift=steps).token():06}"


def wrong_code_of(user: User) -> str:
    """Return six digits that are no code of the user's anywhere near now."""
    near = {code_of(user, steps=steps) for steps in range(-3, 4)}
    return next(code for number in range(10) if (code := f"{number:06}") not in near)


def enrol(browser: Browser, user: User, **headers: str) -> list[str]:
    """Set up the second factor with the code of the step before, so that this one stays to be used; return codes."""
    browser.open("/admin/totp/enrol/")
    token = browser.client.cookies["csrftoken"].value
    form = {"csrfmiddlewaretoken": token, "code": code_of(user, steps=-1)}
    answer = browser.client.post("/admin/totp/enrol/", form, headers=headers)
    assert 'id="enrolled"' in answer.content.decode()
    return BACKUP_CODE.findall(answer.content.decode())


def send_code(browser: Browser, code: str, **headers: str) -> Any:
    """Answer the second step of a sign-in."""
    return browser.send("/admin/login/code/", {"code": code}, **headers)
