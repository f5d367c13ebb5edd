"""Those who wait for a lock look again by themselves, and are woken early only by what they would miss."""

import asyncio
import uuid
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
import redis

from coordination import keys
from coordination.bells import LOOK_AGAIN_SECONDS
from coordination.connections import Connection
from coordination.epochs import next_epoch
from coordination.lock_calls import EXTEND
from coordination.locks import AsyncLocks, Locks
from orgs.models import Organization
from tests.api.live import document, read_answer, request, serving
from tests.coordination.locking import async_connection_to, locks_on, until
from tests.coordination.servers import ValkeyServer
from tests.factories import Caller

LONG = 120
# An old lock that is waited for alone would be over much later.
SOON = LOOK_AGAIN_SECONDS + 15


def _heard(valkey: ValkeyServer, channel: str) -> bool:
    with valkey.client() as client:
        return bool(client.pubsub_numsub(channel)[0][1])


def test_a_thread_has_the_lock_soon_after_a_flush(valkey: ValkeyServer, tenant: uuid.UUID) -> None:
    held = locks_on(valkey, tenant).acquire("report", "daily", LONG)

    with ThreadPoolExecutor(1) as threads:
        waiting = threads.submit(locks_on(valkey, tenant).acquire, "report", "daily", LONG, wait_seconds=LONG)
        until(lambda: _heard(valkey, keys.lock(tenant, "report", "daily")))
        valkey.flush()
        got = waiting.result(SOON)

    assert got.number > held.number


def test_a_coroutine_has_the_lock_soon_after_a_flush(valkey: ValkeyServer, tenant: uuid.UUID) -> None:
    held = locks_on(valkey, tenant).acquire("report", "daily", LONG)

    async def main() -> int:
        here = async_connection_to(valkey.url)
        mine = AsyncLocks(here, tenant, next_epoch=next_epoch)
        waiting = asyncio.create_task(mine.acquire("report", "daily", LONG, wait_seconds=LONG))
        await asyncio.to_thread(until, lambda: _heard(valkey, keys.lock(tenant, "report", "daily")))
        await asyncio.to_thread(valkey.flush)
        async with asyncio.timeout(SOON):
            got = await waiting
        await here.bells.close()
        await here.client().aclose()
        return got.number

    assert asyncio.run(main()) > held.number


def test_a_call_has_the_lock_soon_after_a_flush(
    tmp_path: Path, valkey: ValkeyServer, owner: Caller, organization: Organization
) -> None:
    locks_on(valkey, organization.id).acquire("report", "daily", LONG)
    raw = request("POST", "/locks/report/daily/acquire", owner.key, document(ttl_seconds=60, wait_seconds=20))

    with serving("front", tmp_path, REDIS_URL=valkey.url) as server, server.connect() as call:
        call.sendall(raw)
        until(lambda: _heard(valkey, keys.lock(organization.id, "report", "daily")))
        valkey.flush()
        answer = read_answer(call)

    assert answer.status == 200


@pytest.fixture
def rings(connection: Connection, tenant: uuid.UUID) -> Iterator[redis.client.PubSub]:
    """What those hear who wait for the lock."""
    with connection.client().pubsub(ignore_subscribe_messages=True) as found:  # type: ignore[no-untyped-call]
        found.subscribe(keys.lock(tenant, "report", "daily"))
        found.get_message(timeout=5)
        yield found


def _count(rings: redis.client.PubSub) -> int:
    count = 0
    while rings.get_message(timeout=0.3) is not None:
        count += 1
    return count


@pytest.mark.parametrize(
    ("ttl", "rung"), [(LOOK_AGAIN_SECONDS, 0), (LOOK_AGAIN_SECONDS - 1, 1)], ids=["later", "sooner"]
)
def test_a_lock_that_is_shortened_wakes_only_those_who_would_look_too_late(
    connection: Connection, tenant: uuid.UUID, rings: redis.client.PubSub, ttl: float, rung: int
) -> None:
    locks = Locks(connection, tenant, next_epoch=next_epoch)
    held = locks.acquire("report", "daily", LONG)

    locks.extend("report", "daily", held.token, ttl)

    assert _count(rings) == rung


def test_one_who_was_not_woken_by_a_release_is_by_a_lock_that_ends_before_they_look(
    connection: Connection, tenant: uuid.UUID, rings: redis.client.PubSub
) -> None:
    locks = Locks(connection, tenant, next_epoch=next_epoch)
    locks.release("report", "daily", locks.acquire("report", "daily", LONG).token)

    locks.acquire("report", "daily", LOOK_AGAIN_SECONDS - 1)

    assert _count(rings) == 2


def test_the_scripts_know_when_waiters_look_again() -> None:
    assert f"LOOK_AGAIN = {LOOK_AGAIN_SECONDS * 1000:.0f}\n" in EXTEND.text
