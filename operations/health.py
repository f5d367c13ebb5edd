"""Is the process alive, and can it serve? `/ready` names what is missing or degraded."""

import logging
import time
from collections.abc import Callable, Mapping
from typing import Any

import redis
from django.core.exceptions import ImproperlyConfigured
from django.db import DatabaseError, connection
from django.db.migrations.executor import MigrationExecutor
from django.http import HttpRequest, HttpResponse, JsonResponse

from coordination.connections import ClusterRefused, Unavailable, check_mode
from coordination.shared import quick_connection
from orgs.checks import missing_roles, overpowered_roles, unfenced_tables
from orgs.connections import drop_dead_connection

logger = logging.getLogger("holdfast.health")
# The share of Valkey's maxmemory above which it is called degraded.
FULL = 0.9
# Migrations and roles are looked at until they are right once; neither changes under a running process.
_settled: set[str] = set()
# Anybody may ask for it, so Valkey is asked once in so long.
BELIEVED_SECONDS = 1.0
# What was last found degraded, and until when it is believed.
_degraded: tuple[float, dict[str, str]] = (0.0, {})


def live(request: HttpRequest) -> HttpResponse:
    """Answer that the process runs; says nothing of what it depends on."""
    return JsonResponse({"live": True})


def ready(request: HttpRequest) -> HttpResponse:
    """Answer 200 when every call can be served, else 503 with what is missing.

    What is degraded takes nobody out of rotation: all processes share one Valkey, and another could do no more. Without
    it the limits of calls are each process's own, and what guesses at passwords is refused (coordination/api_limits).
    """
    missing, degraded = missing_parts(), degraded_parts()
    body = {"ready": not missing, "missing": missing, "degraded": degraded}
    return JsonResponse(body, status=503 if missing else 200)


def missing_parts() -> dict[str, str]:
    """Return what calls cannot be served without, by part, each with a sentence; empty when all is there."""
    drop_dead_connection()
    if sentence := _sentence("database", _database):
        return {"database": sentence}
    return _failing({"migrations": _migrations, "tenancy": _tenancy})


def degraded_parts() -> dict[str, str]:
    """Return what calls are served without, by part, each with a sentence; as it was a second ago or later."""
    global _degraded  # noqa: PLW0603
    until, found = _degraded
    if time.monotonic() >= until:
        found = _failing({"valkey": _valkey})
        _degraded = time.monotonic() + BELIEVED_SECONDS, found
    return found


def _failing(parts: Mapping[str, Callable[[], str]]) -> dict[str, str]:
    found = {part: _sentence(part, check) for part, check in parts.items()}
    return {part: sentence for part, sentence in found.items() if sentence}


def _sentence(part: str, check: Callable[[], str]) -> str:
    """Return what is wrong with the part, empty when nothing is."""
    try:
        return check()
    except (DatabaseError, Unavailable, redis.RedisError, OSError) as error:
        # The driver's words may hold host names and users; they belong in the log.
        logger.warning("not ready", extra={"part": part, "error": str(error)})
        return "It cannot be reached."


def _database() -> str:
    with connection.cursor() as cursor:
        cursor.execute("SELECT 1")
    return ""


def _migrations() -> str:
    if "migrations" in _settled:
        return ""
    executor = MigrationExecutor(connection)
    pending = executor.migration_plan(executor.loader.graph.leaf_nodes())
    if pending:
        return f"{len(pending)} migrations are not applied; run manage.py migrate."
    _settled.add("migrations")
    return ""


def _tenancy() -> str:
    if "tenancy" in _settled:
        return ""
    sentences = overpowered_roles("default") + missing_roles("default")
    sentences += [f"The table {table} has no policy." for table in unfenced_tables("default")]
    if not sentences:
        _settled.add("tenancy")
    return " ".join(sentences)


def _valkey() -> str:
    # It waits half a second at most: a probe that waits in vain takes the process out of rotation.
    found = quick_connection.information("server", "memory")
    return _mode(found) or _room(found)


def _mode(found: Mapping[str, Any]) -> str:
    try:
        check_mode(found)
    except ClusterRefused as refusal:
        return str(refusal)
    return ""


def _room(found: Mapping[str, Any]) -> str:
    """Return what is wrong where Valkey may soon refuse all that needs memory. Without a limit nothing is known."""
    used, most = found.get("used_memory", 0), found.get("maxmemory", 0)
    if used <= most * FULL or not most:
        return ""
    return f"It uses more than {FULL:.0%} of its maxmemory; when that is full, it refuses what needs memory."


def refuse_cluster_start() -> None:
    """Stop a process that would coordinate through a cluster; called once when it starts.

    A Valkey that cannot be reached yet is no reason. Raises ImproperlyConfigured.
    """
    try:
        sentence = _mode(quick_connection.information("server"))
    except (Unavailable, redis.RedisError, OSError):
        return
    if sentence:
        raise ImproperlyConfigured(sentence)


def refuse_unfenced_start() -> None:
    """Stop a serving process whose role could read across organizations; called once when it starts.

    A database that cannot be reached yet is no reason: `/ready` looks again and says so. Raises ImproperlyConfigured.
    """
    try:
        sentences = overpowered_roles("default")
    except DatabaseError:
        return
    finally:
        # The thread that loads the application is not one that serves.
        connection.close()
    if sentences:
        raise ImproperlyConfigured(" ".join(sentences))
