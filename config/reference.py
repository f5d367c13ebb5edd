"""Writes docs/reference from the code: `python -m config.reference`, or with `--check` fails where they differ."""

import ast
import inspect
import json
import re
import sys
from collections.abc import Callable
from pathlib import Path

import django
from ninja.operation import Operation

django.setup()

from accounts.oidc import tokens  # noqa: E402  (settings come first)
from accounts.stores import MAX_SETTINGS_BYTES  # noqa: E402
from api import cursors, documents, metadata, requests, waiting  # noqa: E402
from config import bodies  # noqa: E402
from config.api import api  # noqa: E402
from config.errors import BARE, TABLE  # noqa: E402
from config.openapi import operations  # noqa: E402
from coordination import entries, keys, names, queue_calls, queue_messages, rate_limits  # noqa: E402
from coordination.api import cache as cache_api  # noqa: E402
from coordination.api import queues as queues_api  # noqa: E402
from coordination.lock_calls import MAX_LOCK_SECONDS, MAX_TOKEN_LENGTH, MIN_TOKEN_LENGTH  # noqa: E402
from orgs.audit_trail import MAX_LINES  # noqa: E402
from orgs.cards import MAX_CARD_BYTES, MAX_SKILLS  # noqa: E402
from orgs.models import MAX_DELETION_DELAY_DAYS  # noqa: E402
from orgs.permissions import ROLE_SCOPES, scopes_of_role  # noqa: E402
from orgs.services.accepting import MOST_ATTEMPTS, MOST_ATTEMPTS_A_DAY, MOST_ATTEMPTS_A_DAY_ANYWHERE  # noqa: E402
from orgs.services.exporting import MAX_EXPORT_BYTES  # noqa: E402
from orgs.services.invitations import MOST_HOURS, MOST_PENDING  # noqa: E402
from orgs.services.key_policy import MAX_KEY_LIFETIME, MOST_SHORTENED  # noqa: E402
from orgs.services.key_rotation import MAX_OVERLAP  # noqa: E402
from orgs.services.users import MAX_PREFERENCES_BYTES  # noqa: E402
from sessions_store.services import MAX_STATE_BYTES  # noqa: E402

PLACE = Path(__file__).resolve().parent.parent / "docs" / "reference"
READ = re.compile(r'env\.(\w+)\(\s*"(\w+)"(?:,\s*(.+?))?\)(?:$|,$|\s*#)')
# What only `manage.py` sets, and defaults that the code works out.
INTERNAL = ("HOLDFAST_EMBEDDED",)
IN_WORDS = {
    "SECRET_KEY": "made in VAR/secrets with the embedded PostgreSQL, else required",
    "ORG_CREATION": "as `SIGNUP`",
    "SIGNUP": "open with the embedded PostgreSQL, else closed",
}
REACHED = "409 `limit-reached`"
QUEUE = queue_messages.Settings()
OF_TOKENS = "400 `invalid-lock-token`"
ATTEMPTS = "429 `too-many-attempts`"
INVALID_TTL = "400 `invalid-ttl`"
TOO_LARGE = "400 `value-too-large`"
# What a docstring of coordination/keys.py says.
KEY_SAID = re.compile(
    r"(?P<what>Name [^.]+)\. (?P<type>String|List|Hash|Set|Sorted set|Stream); lives (?P<lives>[^.]+)\."
)
GENERATED = "<!-- Written from the code by `make reference`. -->\n\n"
CONNECTIONS = (
    ("DATABASE_URL", "", "PostgreSQL, also as written for other drivers: `postgresql+asyncpg://…?ssl=require`."),
    ("DB_HOST, DB_PORT, DB_NAME, DB_USER, DB_PASS", "", "The same in parts; one form or the other."),
    ("REDIS_URL", "", "Valkey or Redis, also over TLS or by Sentinel: [forms](../how-to/run-in-production.md#valkey)."),
    ("REDIS_HOST, REDIS_PORT, REDIS_PASSWORD", "", "The same in parts."),
)
OF_UP = (
    ("PORT", "8000", "`make up`: the port."),
    ("HOST", "127.0.0.1", "`make up`: the address to listen on."),
    ("VAR", "var", "`make up` and `manage.py`: the folder of the embedded servers and their secrets."),
    ("WEB_WORKERS", "1", "`make up`: web processes."),
    ("PROMETHEUS_MULTIPROC_DIR", "", "A folder in which several web processes share their metrics."),
)


def openapi() -> str:
    return json.dumps(api.get_openapi_schema(), indent=2, sort_keys=True) + "\n"


def errors() -> str:
    problems = sorted({*TABLE.values(), *BARE}, key=lambda problem: (problem.status, problem.code))
    lines = [f"| {problem.status} | `{problem.code}` | {problem.title} |" for problem in problems]
    return GENERATED + (
        "# Errors\n\nEvery error is an RFC 9457 problem (`application/problem+json`) with `type`, `title`, `status`, "
        "`code`,\n`detail` and `request_id`; `invalid` lists the fields at fault in `errors`. Branch on `code`: it is "
        "stable.\n\n"
        "| status | code | meaning |\n|---|---|---|\n" + "\n".join(lines) + "\n"
    )


PERMISSIONS = """# Permissions

A key holds scopes, `resource:level`. `admin` includes `write`, `write` includes `read`, of the same
resource. No key can make one that holds more than itself.

A key that acts as a user may do what both its scopes and the user's role in the organization allow. A key
of an agent, or one that acts as itself, may do what its scopes allow. To make, unmake, remove or invite an
owner needs `orgs:admin` beside the scope below. Why: [roles](../explanation/roles.md).

"""


def permissions() -> str:
    schema = api.get_openapi_schema()
    by_id = operations(api)
    rows = []
    for path, methods in schema["paths"].items():
        for method, described in methods.items():
            needed = _needed(by_id[described["operationId"]])
            holders = " | ".join("yes" if _may(role, needed) else "no" for role in ROLE_SCOPES)
            rows.append(f"| `{method.upper()} {path}` | {needed} | {holders} |")
    roles = [f"| {role} | {', '.join(f'`{scope}`' for scope in sorted(ROLE_SCOPES[role]))} |" for role in ROLE_SCOPES]
    names = " | ".join(ROLE_SCOPES)
    return GENERATED + (
        PERMISSIONS
        + "| role | scopes |\n|---|---|\n"
        + "\n".join(roles)
        + f"\n\n| operation | scope | {names} |\n|---|---|{'---|' * len(ROLE_SCOPES)}\n"
        + "\n".join(sorted(rows))
        + "\n"
    )


def _needed(operation: Operation) -> str:
    if not operation.auth_callbacks:
        return "none: public"
    scope = operation.view_func.required_scope  # type: ignore[attr-defined]
    if scope is None:
        return "none: any valid key"
    return f"`{scope}`, of a user" if hasattr(operation.view_func, "user_required") else f"`{scope}`"


def _may(role: str, needed: str) -> bool:
    return needed.startswith("none") or needed.split("`")[1] in scopes_of_role(role)


def limits() -> str:
    patience = bodies.Bodies()
    held = f"{_size(patience.held_at_most)} a process, {_size(patience.held_by_one)} an organization, under `make up`"
    rows = (
        ("a body", _size(requests.DEFAULT_BODY_LIMIT.size), "413 `body-too-large`"),
        ("a body without a valid key", _size(bodies.UNCOUNTED_BYTES), "401 `unauthenticated`, 413 `body-too-large`"),
        ("a token of an identity provider", _size(tokens.MOST_BYTES), "401 `token-invalid`"),
        ("the life of such a token", f"{tokens.MOST_SECONDS // 3600} hours", "401 `token-invalid`"),
        ("a session's state", _size(MAX_STATE_BYTES), "413 `body-too-large`, `state-too-large`"),
        ("a user's settings", _size(MAX_SETTINGS_BYTES), "413 `body-too-large`, `settings-too-large`"),
        ("a user's preferences", _size(MAX_PREFERENCES_BYTES), "413 `preferences-too-large`"),
        ("objects, arrays, decimals in a document", f"{documents.MAX_COSTLY:,} of each", "413 `too-many-values`"),
        ("levels of nesting", str(documents.MAX_DEPTH), "400 `invalid-json`"),
        ("digits or exponent of a number", f"{documents.MAX_DIGITS:,}", "400 `invalid-json`"),
        ("metadata, wherever there is any", _size(metadata.MAX_METADATA_BYTES), "422 `invalid`"),
        ("metadata of a session, task, message or artifact", _size(metadata.MAX_METADATA_BYTES), "422 `invalid`"),
        ("an export of a person, over the API", _size(MAX_EXPORT_BYTES), "413 `export-too-large`"),
        ("items of a page", f"{cursors.MAX_LIMIT}, {cursors.DEFAULT_LIMIT} by default", "422 `invalid`"),
        ("an agent's card", _size(MAX_CARD_BYTES), "422 `invalid`"),
        ("skills of an agent's card", str(MAX_SKILLS), "422 `invalid`"),
        ("lines of an export", f"{MAX_LINES:,}, 1,000 by default", "422 `invalid`"),
        ("an export", _size(cursors.PAGE_BYTES), "the export ends"),
        ("a page of messages or chunks, a history", _size(cursors.PAGE_BYTES), "the page or the history ends"),
        ("seconds without a byte of a body, under `make up`", f"{patience.idle_seconds:g}", "408 `body-too-slow`"),
        ("seconds for a whole body, under `make up`", f"{patience.whole_seconds:g}", "408 `body-too-slow`"),
        ("large bodies and answers under way", held, "503 `too-many-bodies`, `too-many-answers`"),
        ("seconds that a call waits", f"{waiting.MAX_WAIT_SECONDS}", "400 `invalid-wait`"),
        ("such seconds where no ASGI server waits", f"{waiting.MAX_THREAD_SECONDS:g}", "it is answered as it stands"),
        ("calls that wait, of a process or an organization", "[settings](settings.md)", "503 `too-many-waits`"),
        ("pending invitations of an organization", f"{MOST_PENDING:,}", "409 `too-many-invitations`"),
        ("the life of an invitation's link", f"{MOST_HOURS // 24} days", "422 `invalid`"),
        ("wrong passwords with one invitation", str(MOST_ATTEMPTS), "it is revoked: 410 `invitation-revoked`"),
        ("wrong passwords with all that an organization sends an address", f"{MOST_ATTEMPTS_A_DAY} a day", ATTEMPTS),
        ("wrong passwords with all that an address is sent", f"{MOST_ATTEMPTS_A_DAY_ANYWHERE} a day", ATTEMPTS),
        ("calls of a key, an organization, an address", "in a window, [settings](settings.md)", "429 `rate-limited`"),
        ("members, agents, usable API keys of an organization", "its own number, or a [setting](settings.md)", REACHED),
        ("organizations that a user who makes them owns", "a [setting](settings.md)", REACHED),
        ("days from the request to delete an organization to its end", f"{MAX_DELETION_DELAY_DAYS}", "422 `invalid`"),
        ("the life of an API key, where it has an end", f"{MAX_KEY_LIFETIME.days:,} days", "422 `invalid-expiry`"),
        ("the overlap of a rotation", f"{MAX_OVERLAP.days} days", "422 `invalid`"),
        ("what a rate limit allows in a window", f"{rate_limits.MAX_REQUESTS:,}", "400 `invalid-limit`"),
        ("a rate limit's window", "a day; at least 1 ms", "400 `invalid-window`"),
        ("a name in coordination", f"{names.MAX_NAME_LENGTH} characters", "400 `invalid-name`"),
        ("a value in the cache", f"{_size(names.MAX_VALUE_BYTES)} of JSON", TOO_LARGE),
        ("a time to live in the cache, and of being stale", f"{names.MAX_TTL_SECONDS // 86400} days", INVALID_TTL),
        ("the time to compute a value for the cache", f"{entries.MAX_COMPUTE_SECONDS // 3600} hour", INVALID_TTL),
        ("a body that stores values in the cache", _size(cache_api.BODY_LIMIT), TOO_LARGE),
        ("names of the cache at once", str(entries.MAX_BATCH), "400 `batch-too-large`"),
        ("values of the cache stored at once", _size(entries.MAX_BATCH_BYTES), TOO_LARGE),
        ("values of the cache read at once", _size(entries.MAX_BATCH_BYTES), "the rest is to be asked for again"),
        ("queues of an organization", f"{queue_calls.MAX_QUEUES:,}", REACHED),
        ("messages of a queue", f"{QUEUE.max_length:,}, or its own number", "409 `queue-full`"),
        ("a queue's own number", f"{queue_calls.MAX_LENGTH:,}", "422 `invalid`"),
        ("a message of a queue", f"{_size(QUEUE.max_message_bytes)}, or its own number", TOO_LARGE),
        ("a queue's own number of bytes", _size(queue_calls.MAX_MESSAGE_BYTES), "422 `invalid`"),
        ("messages of one push, pop or redrive", str(queue_calls.MAX_COUNT), "422 `invalid`"),
        ("messages of one push together", _size(queue_calls.MAX_BATCH_BYTES), TOO_LARGE),
        ("messages of one pop together", _size(queue_calls.MAX_BATCH_BYTES), "the pop ends"),
        ("and with an `Idempotency-Key`", _size(queue_calls.MAX_KEPT_BYTES), "the pop ends"),
        ("the body of a push", _size(queues_api.BODY_LIMIT), TOO_LARGE),
        ("the delay of a message", f"{queue_calls.MAX_DELAY_SECONDS // 86400} days", "400 `invalid-ttl`"),
        ("the visibility of a message", f"{queue_calls.MAX_VISIBILITY_SECONDS // 3600} hours", "400 `invalid-ttl`"),
        ("deliveries of a message", f"{QUEUE.max_attempts}, or the queue's own number", "it is a dead letter"),
        ("the life of a lock", f"{MAX_LOCK_SECONDS // 3600} hours, unless it is extended", "400 `invalid-ttl`"),
        ("a lock's token, where it is yours", f"{MIN_TOKEN_LENGTH} to {MAX_TOKEN_LENGTH} characters", OF_TOKENS),
        ("keys shortened by one change of the policy", f"{MOST_SHORTENED}", "the rest stays; send it again"),
    )
    return GENERATED + (
        "# Limits\n\nWhat is beyond them is refused, and nothing of it is kept. How long a statement may take and how "
        "long\nan idempotent answer is kept are [settings](settings.md).\n\n"
        "| what | at most | beyond |\n|---|---|---|\n"
        + "\n".join(f"| {what} | {most} | {beyond} |" for what, most, beyond in rows)
        + "\n"
    )


def _size(count: int) -> str:
    return f"{count // requests.MIB} MiB" if count >= requests.MIB else f"{count // 1024} KiB"


def settings_page() -> str:
    source = (Path(__file__).parent / "settings.py").read_text(encoding="utf-8")
    rows = [
        f"| `{name}` | {default} | {meaning} |" for name, default, meaning in (*CONNECTIONS, *_reads(source), *OF_UP)
    ]
    return GENERATED + (
        "# Settings\n\nRead from the environment, once. Each but those of `make up` may come from a file: `NAME_FILE`. "
        "A bad value,\nand outside the embedded default a missing or placeholder secret, stops the start and says "
        "why.\n\n"
        "| name | default | meaning |\n|---|---|---|\n" + "\n".join(rows) + "\n"
    )


def _reads(source: str) -> list[tuple[str, str, str]]:
    """Return name, default and the comment above, for each setting that settings.py reads."""
    found, comment = [], ""
    for line in source.splitlines():
        if line.strip().startswith("#"):
            comment = f"{comment} {line.strip('# ')}".strip()
            continue
        match = READ.search(line)
        if match and match[2] not in INTERNAL:
            _, name, rest = match.groups()
            found.append((name, _default(name, rest), comment))
        comment = ""
    return found


def _default(name: str, rest: str | None) -> str:
    """Return the default as an operator would write it; `rest` is the source behind the name."""
    if name in IN_WORDS:
        return IN_WORDS[name]
    if rest is None:
        return ""
    value = ast.literal_eval(rest.split(", least=")[0].split(", (")[0].strip())
    if isinstance(value, bool):
        return str(value).lower()
    return ",".join(value) if isinstance(value, list) else str(value)


KEYS = """# Keys

What Holdfast writes into Valkey. `{<organization>}` is the organization's id in braces, `{-}` for programs that use the
[Python classes](../how-to/use-the-stores-from-python.md) without one. The braces are the hash tag of Redis' cluster
specification, so all keys of one organization have one slot. No key of one organization begins as one of another,
and the second word tells what it is, so no name that a user chooses makes a key of another kind.

A resource holds no colon; an id or a queue's name may hold any, as the last part. A queue's name holds no slash. Names
are at most 200 characters and hold no control characters. Changes are announced on channels that are named as the key.

"""
OF_CELERY = """
Celery's own keys begin with `celery:`: background work waits there, which the database knows too. Nothing else is
written: a database of Valkey that has other keys is shared with another program.
"""


def keys_page() -> str:
    rows = [f"| `{pattern}` | {kind} | {what} | {lives} |" for pattern, kind, what, lives in map(_key, key_functions())]
    table = "| key | type | what | lives |\n|---|---|---|---|\n" + "\n".join(rows) + "\n\n"
    return GENERATED + KEYS + table + _beside() + OF_CELERY


def _beside() -> str:
    own = keys.of_queue("<organization>", "<name>")[1:-1]
    return f"Beside the messages a queue has {', '.join(f'`{key}`' for key in own)}, which live as it does.\n"


def key_functions() -> list[Callable[..., str]]:
    """Return the functions that make one key each, in their order."""
    found = [value for value in vars(keys).values() if inspect.isfunction(value) and value is not keys.prefix]
    return [function for function in found if inspect.signature(function).return_annotation is str]


def _key(function: Callable[..., str]) -> tuple[str, str, str, str]:
    """Return pattern, type, what it is and how long it lives, as the docstring says."""
    said = KEY_SAID.fullmatch(" ".join((inspect.getdoc(function) or "").split()))
    if said is None:
        raise ValueError(f"coordination.keys.{function.__name__}: the docstring must read 'Name …. Type; lives ….'")
    given = list(inspect.signature(function).parameters)
    # The API's word for the second part of a name of two.
    names = ["id" if name == "session_id" or (name == "name" and "resource" in given) else name for name in given]
    what = said["what"].removeprefix("Name ")
    return function(*(f"<{name}>" for name in names)), said["type"].lower(), what, said["lives"]


PAGES: dict[str, Callable[[], str]] = {
    "openapi.json": openapi,
    "errors.md": errors,
    "permissions.md": permissions,
    "limits.md": limits,
    "settings.md": settings_page,
    "keys.md": keys_page,
}


def main(check: bool) -> int:
    differing = []
    for name, page in PAGES.items():
        text, place = page(), PLACE / name
        if place.exists() and place.read_text(encoding="utf-8") == text:
            continue
        differing.append(name)
        if not check:
            place.write_text(text, encoding="utf-8")
    if differing and check:
        sys.stderr.write(f"docs/reference is behind the code ({', '.join(differing)}); run make reference.\n")
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main("--check" in sys.argv))
