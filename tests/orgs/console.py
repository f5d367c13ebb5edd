"""The operators' console as a browser sees it."""

import re
import uuid
from dataclasses import dataclass, field
from typing import Any

from django.test import Client

from accounts.models import User
from orgs import tenancy
from tests.statements import system_rows

PASSWORD = "correct horse battery staple"
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
