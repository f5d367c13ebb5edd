"""The API as the demo calls it: each answer is compared with the promised one."""
# ruff: noqa: T201  (printing is what it is for)

import secrets
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import httpx

PATIENCE = 60.0  # seconds for anything that is waited for


class Off(Exception):
    """Raised when the service does not do what it promises; the message is one clear sentence."""


@dataclass(frozen=True)
class Holdfast:
    """The API as one key sees it."""

    client: httpx.Client

    def call(
        self, method: str, path: str, body: Any = None, *, expect: int | tuple[int, str] = 200, **headers: str
    ) -> httpx.Response:
        """Send one request and insist on the status, and on the code of a problem; If_Match='"1"' is a header."""
        sent = {name.replace("_", "-"): value for name, value in headers.items()}
        answer = self.client.request(method, f"/api/v1{path}", json=body, headers=sent)
        status, code = expect if isinstance(expect, tuple) else (expect, None)
        if answer.status_code != status or (code is not None and answer.json().get("code") != code):
            wanted = f"{status} {code or ''}".strip()
            raise Off(f"{method} {path} answered {answer.status_code} where {wanted} was due: {answer.text[:500]}")
        return answer

    def get(self, path: str, **options: Any) -> Any:
        return self.call("GET", path, **options).json()

    def post(self, path: str, body: Any, *, expect: int | tuple[int, str] = 201, **headers: str) -> Any:
        return self.call("POST", path, body, expect=expect, **headers).json()

    def everything(self, path: str) -> list[dict[str, Any]]:
        """Follow a listing's cursor to its end, in small pages."""
        items, page = [], self.get(f"{path}?limit=2")
        items += page["items"]
        while page["next_cursor"]:
            page = self.get(f"{path}?limit=2&cursor={page['next_cursor']}")
            items += page["items"]
        return items


@contextmanager
def connected(url: str, key: str = "") -> Iterator[Holdfast]:
    headers = {"Authorization": f"Bearer {key}"} if key else {}
    # The service is on this machine, whatever proxy the environment names.
    with httpx.Client(base_url=url, headers=headers, timeout=30, trust_env=False) as client:
        yield Holdfast(client)


def insist(found: Any, wanted: Any, what: str) -> None:
    if found != wanted:
        raise Off(f"{what}: {wanted!r} was due, {found!r} came.")


def told(step: str, *facts: object) -> None:
    print(f"{step:<34}", *facts, flush=True)


def until(condition: Callable[[], bool], what: str) -> None:
    deadline = time.monotonic() + PATIENCE
    while not condition():
        if time.monotonic() > deadline:
            raise Off(f"Waited {PATIENCE:.0f} s in vain: {what}.")
        time.sleep(0.1)


def text(words: str) -> dict[str, Any]:
    return {"parts": [{"kind": "text", "text": words}]}


def sign_up(url: str) -> dict[str, Any]:
    """Make an organization with its owner and first key; the key's text is in the answer, once."""
    slug = f"demo-{secrets.token_hex(6)}"
    with connected(url) as anyone:
        made: dict[str, Any] = anyone.post(
            "/signup",
            {
                "email": f"{slug}@example.com",
                "password": secrets.token_urlsafe(18),
                "organization": {"name": "Demo", "slug": slug},
            },
        )
    told("Signed up", slug, f"key {made['api_key']['key'][:15]}…")
    return made
