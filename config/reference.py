"""Writes docs/reference from the code: `python -m config.reference`, or with `--check` fails where they differ."""

import json
import re
import sys
from collections.abc import Callable
from pathlib import Path

import django
from ninja.operation import Operation

django.setup()

from config.api import api  # noqa: E402  (settings come first)
from config.errors import BARE, TABLE  # noqa: E402
from config.openapi import operations  # noqa: E402

PLACE = Path(__file__).resolve().parent.parent / "docs" / "reference"
READ = re.compile(r'env\.(text|secrets?|boolean|integer|choice|names)\(\s*"(\w+)"(?:,\s*(.+?))?\)(?:$|,$|\s*#)')
GENERATED = "<!-- Written from the code by `make reference`. -->\n\n"
CONNECTIONS = (
    ("DATABASE_URL", "", "PostgreSQL, also as written for other drivers: `postgresql+asyncpg://…?ssl=require`."),
    ("DB_HOST, DB_PORT, DB_NAME, DB_USER, DB_PASS", "", "The same in parts; one form or the other."),
    ("REDIS_URL", "", "Valkey or Redis: `redis://`, `rediss://`, `valkey://`."),
    ("REDIS_HOST, REDIS_PORT, REDIS_PASSWORD", "", "The same in parts."),
)
OF_UP = (
    ("PORT", "8000", "`make up`: the port."),
    ("HOST", "127.0.0.1", "`make up`: the address to listen on."),
    ("VAR", "var", "`make up` and `manage.py`: the folder of the embedded servers and their secrets."),
    ("WEB_WORKERS", "1", "`make up`: web processes."),
    ("WEB_THREADS", "8", "Threads of each web process behind the one port, each with its own database connection."),
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


def permissions() -> str:
    schema = api.get_openapi_schema()
    by_id = operations(api)
    rows = []
    for path, methods in schema["paths"].items():
        for method, described in methods.items():
            rows.append(f"| `{method.upper()} {path}` | {_needed(by_id[described['operationId']])} |")
    return GENERATED + (
        "# Permissions\n\nA key holds scopes, `resource:level`. `admin` includes `write`, `write` includes `read`, of "
        "the same\nresource. No key can grant what it does not hold.\n\n| operation | scope |\n|---|---|\n"
        + "\n".join(sorted(rows))
        + "\n"
    )


def _needed(operation: Operation) -> str:
    if not operation.auth_callbacks:
        return "none: public"
    scope = operation.view_func.required_scope  # type: ignore[attr-defined]
    return "none: any valid key" if scope is None else f"`{scope}`"


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
        if match:
            kind, name, rest = match.groups()
            default = (rest or ("[]" if kind == "secrets" else "")).split(", least=")[0].split(", (")[0].strip()
            found.append((name, "required" if kind == "secret" else f"`{default}`", comment))
        comment = ""
    return found


PAGES: dict[str, Callable[[], str]] = {
    "openapi.json": openapi,
    "errors.md": errors,
    "permissions.md": permissions,
    "settings.md": settings_page,
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
