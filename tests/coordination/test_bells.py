"""Waking those who wait: in order, none in vain, over one connection, and when Valkey is gone."""

import asyncio
import time
import uuid
from collections.abc import Callable

import pytest
import redis.asyncio
from redis.asyncio.retry import Retry as AsyncRetry
from redis.backoff import NoBackoff

from coordination import bells, keys
from coordination.bells import Bell
from coordination.connections import AsyncConnection, Connection, Unavailable
from coordination.shared import async_connection
from tests.coordination.listening import PATIENCE, TIMEOUT, subscribers
from tests.coordination.servers import ValkeyServer


def reach(server: ValkeyServer, *, protocol: int = 2) -> AsyncConnection:
    """Connect as the service does, with a shorter timeout; to be called in the loop that uses it."""
    client = redis.asyncio.Redis.from_url(
        server.url,
        socket_timeout=TIMEOUT,
        socket_connect_timeout=TIMEOUT,
        protocol=protocol,
        retry=AsyncRetry(NoBackoff(), 0),
    )
    return AsyncConnection(lambda: client)


@pytest.fixture
def channel(tenant: uuid.UUID) -> str:
    return keys.lock(tenant, "böll", "1")


async def until(condition: Callable[[], bool]) -> None:
    ends = time.monotonic() + PATIENCE
    while not condition():
        assert time.monotonic() < ends, "it never came to that"
        await asyncio.sleep(0.01)


class Row:
    """Waiters on a channel, and who of them was woken, in order."""

    def __init__(self, connection: AsyncConnection, channel: str, count: int = 0) -> None:
        self.connection, self.channel, self.woken, self.listening = connection, channel, list[int](), 0
        self.begin(count)

    def begin(self, count: int) -> None:
        self.tasks = [asyncio.create_task(self._wait(number)) for number in range(count)]

    async def _wait(self, number: int) -> None:
        async with self.connection.bells.listen(self.channel) as bell:
            self.listening += 1
            if await bell.wait(PATIENCE):
                self.woken.append(number)

    async def all_listen(self) -> None:
        await until(lambda: self.listening == len(self.tasks))

    async def come_to(self, count: int) -> list[int]:
        await until(lambda: len(self.woken) >= count)
        return self.woken

    async def leave(self) -> None:
        for task in self.tasks:
            task.cancel()
        await asyncio.gather(*self.tasks, return_exceptions=True)
        await self.connection.bells.close()


@pytest.mark.parametrize("protocol", [2, 3])
def test_waiters_share_one_connection(valkey: ValkeyServer, channel: str, protocol: int) -> None:
    async def scenario() -> tuple[int, list[int]]:
        row = Row(reach(valkey, protocol=protocol), channel, 200)
        await row.all_listen()
        found = subscribers(valkey)
        valkey.client().publish(channel, 200)
        woken = await row.come_to(200)
        await row.leave()
        return found, woken

    found, woken = asyncio.run(scenario())

    assert found == 1
    assert woken == list(range(200))


def test_a_ring_wakes_as_many_as_it_says_in_order(valkey: ValkeyServer, channel: str) -> None:
    async def scenario() -> list[list[int]]:
        row, seen = Row(reach(valkey), channel, 10), []
        await row.all_listen()
        for count, total in ((1, 1), (3, 4), (1, 5)):
            valkey.client().publish(channel, count)
            seen.append(list(await row.come_to(total)))
        await row.leave()
        return seen

    assert asyncio.run(scenario()) == [[0], [0, 1, 2, 3], [0, 1, 2, 3, 4]]


def test_a_ring_wakes_only_its_own_channel(valkey: ValkeyServer, tenant: uuid.UUID) -> None:
    async def scenario() -> tuple[list[int], list[int]]:
        connection = reach(valkey)
        one, other = (Row(connection, keys.queue(tenant, name), 2) for name in ("one", "other"))
        await one.all_listen()
        await other.all_listen()
        valkey.client().publish(one.channel, 2)
        await one.come_to(2)
        seen = one.woken, list(other.woken)
        await other.leave()
        return seen

    assert asyncio.run(scenario()) == ([0, 1], [])


def test_a_ring_after_listening_and_before_waiting_is_heard(valkey: ValkeyServer, channel: str) -> None:
    async def scenario() -> bool:
        connection = reach(valkey)
        async with connection.bells.listen(channel) as bell:
            valkey.client().publish(channel, 1)
            await until(lambda: bell.is_rung)
            rung = await bell.wait(0)
        await connection.bells.close()
        return rung

    assert asyncio.run(scenario())


def test_no_ring_within_the_time_is_told(valkey: ValkeyServer, channel: str) -> None:
    async def scenario() -> bool:
        connection = reach(valkey)
        async with connection.bells.listen(channel) as bell:
            rung = await bell.wait(0.01)
        await connection.bells.close()
        return rung

    assert not asyncio.run(scenario())


def test_a_waiter_cancelled_as_it_is_rung_passes_its_ring_on(valkey: ValkeyServer, channel: str) -> None:
    async def scenario() -> list[int]:
        connection, bell_of_first = reach(valkey), asyncio.get_running_loop().create_future()

        async def leaving() -> None:
            async with connection.bells.listen(channel) as bell:
                bell_of_first.set_result(bell)
                await bell.wait(PATIENCE)

        gone = asyncio.create_task(leaving())
        first = await bell_of_first
        row = Row(connection, channel, 2)
        await row.all_listen()
        first.ring()
        gone.cancel()
        woken = list(await row.come_to(1))
        await row.leave()
        return woken

    assert asyncio.run(scenario()) == [0]


@pytest.mark.parametrize("heard", [True, False], ids=["heard", "unheard"])
def test_a_waiter_who_fails_passes_its_ring_on(valkey: ValkeyServer, channel: str, heard: bool) -> None:
    async def fail(row: Row) -> None:
        async with row.connection.bells.listen(channel) as bell:
            row.begin(2)
            await row.all_listen()
            valkey.client().publish(channel, 1)
            await until(lambda: bell.is_rung)
            if heard:
                await bell.wait(0)
            raise ConnectionAbortedError

    async def scenario() -> list[int]:
        row = Row(reach(valkey), channel)
        with pytest.raises(ConnectionAbortedError):
            await fail(row)
        woken = list(await row.come_to(1))
        await row.leave()
        return woken

    assert asyncio.run(scenario()) == [0]


def test_a_ring_that_was_heard_and_used_stays_with_its_waiter(valkey: ValkeyServer, channel: str) -> None:
    async def scenario() -> tuple[list[int], list[int]]:
        connection = reach(valkey)
        async with connection.bells.listen(channel) as bell:
            row = Row(connection, channel, 2)
            await row.all_listen()
            valkey.client().publish(channel, 1)
            await bell.wait(PATIENCE)
        before = list(row.woken)
        valkey.client().publish(channel, 1)
        await row.come_to(1)
        after = list(row.woken)
        await row.leave()
        return before, after

    assert asyncio.run(scenario()) == ([], [0])


def test_a_killed_connection_wakes_all_and_works_after(valkey: ValkeyServer, channel: str) -> None:
    async def scenario() -> tuple[int, bool]:
        connection = reach(valkey)
        row = Row(connection, channel, 20)
        await row.all_listen()
        async with connection.bells.listen(channel) as bell:
            valkey.client().client_kill_filter(_type="pubsub")
            await row.come_to(20)
            lost, back = await bell.wait(PATIENCE), await bell.wait(PATIENCE)
            valkey.client().publish(channel, 1)
            rung = await bell.wait(PATIENCE)
        await row.leave()
        return len(row.woken), lost and back and rung

    assert asyncio.run(scenario()) == (20, True)


def test_a_killed_server_wakes_all_refuses_and_works_after(valkey: ValkeyServer, channel: str) -> None:
    async def scenario() -> bool:
        connection = reach(valkey)
        async with connection.bells.listen(channel) as bell:
            valkey.kill()
            assert await bell.wait(PATIENCE)
            with pytest.raises(Unavailable):
                async with connection.bells.listen(keys.queue(None, "other")):
                    pass
            valkey.start()
            assert await bell.wait(PATIENCE)
            valkey.client().publish(channel, 1)
            rung = await bell.wait(PATIENCE)
        await connection.bells.close()
        return rung

    assert asyncio.run(scenario())


def test_a_server_that_is_gone_refuses_at_once(valkey: ValkeyServer, channel: str) -> None:
    valkey.kill()

    async def scenario() -> float:
        connection, began = reach(valkey), time.monotonic()
        for _ in range(3):
            with pytest.raises(Unavailable):
                async with connection.bells.listen(channel):
                    pass
        return time.monotonic() - began

    assert asyncio.run(scenario()) < PATIENCE / 4


@pytest.mark.parametrize("connected", [True, False])
def test_a_paused_server_refuses_within_the_timeout(valkey: ValkeyServer, channel: str, connected: bool) -> None:
    async def scenario() -> tuple[float, bool]:
        connection = reach(valkey)
        if connected:
            async with connection.bells.listen(channel):
                pass
        valkey.pause()
        began = time.monotonic()
        with pytest.raises(Unavailable):
            async with connection.bells.listen(channel):
                pass
        seconds = time.monotonic() - began
        valkey.resume()
        return seconds, await _rings(connection, valkey, channel)

    seconds, rung = asyncio.run(scenario())

    assert TIMEOUT / 2 < seconds < TIMEOUT + 5
    assert rung


async def _rings(connection: AsyncConnection, server: ValkeyServer, channel: str) -> bool:
    """Tell whether a ring is heard, once listening is possible again."""
    ends = time.monotonic() + PATIENCE
    while True:
        try:
            async with connection.bells.listen(channel) as bell:
                server.client().publish(channel, 1)
                rung = await bell.wait(PATIENCE)
        except Unavailable:
            assert time.monotonic() < ends
            await asyncio.sleep(0.02)
        else:
            break
    await connection.bells.close()
    return rung


def test_a_server_that_falls_silent_is_found_out(
    valkey: ValkeyServer, channel: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(bells, "QUIET_SECONDS", 0.05)

    async def scenario() -> bool:
        connection = reach(valkey)
        async with connection.bells.listen(channel) as bell:
            assert not await bell.wait(4 * bells.QUIET_SECONDS)
            valkey.pause()
            woken = await bell.wait(PATIENCE)
            valkey.resume()
        await connection.bells.close()
        return woken

    assert asyncio.run(scenario())


def test_the_connection_closes_after_the_last_waiter(
    valkey: ValkeyServer, channel: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(bells, "LINGER_SECONDS", 0.05)

    async def scenario() -> bool:
        connection = reach(valkey)
        for _ in range(2):
            async with connection.bells.listen(channel):
                assert subscribers(valkey) == 1
            await until(lambda: subscribers(valkey) == 0)
        return await _rings(connection, valkey, channel)

    assert asyncio.run(scenario())


def test_a_channel_is_left_with_its_last_waiter(valkey: ValkeyServer, channel: str) -> None:
    async def scenario() -> bool:
        connection = reach(valkey)
        async with connection.bells.listen(channel):
            pass
        await until(lambda: valkey.client().pubsub_channels() == [])
        return await _rings(connection, valkey, channel)

    assert asyncio.run(scenario())


def test_leaving_and_coming_in_one_moment_is_no_loss(valkey: ValkeyServer, channel: str) -> None:
    async def scenario() -> bool:
        connection, heard = reach(valkey), True
        for _ in range(200):
            async with connection.bells.listen(channel) as bell:
                valkey.client().publish(channel, 1)
                heard &= await bell.wait(PATIENCE)
        await connection.bells.close()
        return heard

    assert asyncio.run(scenario())


@pytest.mark.parametrize(("payload", "woken"), [("0", 0), ("nonsense", 1), ("99999999999", 1), ("²", 1)])
def test_a_strange_message_does_no_harm(valkey: ValkeyServer, channel: str, payload: str, woken: int) -> None:
    async def scenario() -> int:
        row = Row(reach(valkey), channel, 3)
        await row.all_listen()
        valkey.client().publish(channel, payload)
        last = Row(row.connection, f"{channel}:last", 1)
        await last.all_listen()
        valkey.client().publish(last.channel, 1)
        await last.come_to(1)
        found = len(row.woken)
        await row.leave()
        return found

    assert asyncio.run(scenario()) == woken


def test_the_services_own_connection_rings(channel: str, connection: Connection) -> None:
    async def scenario() -> bool:
        ours = async_connection()
        async with ours.bells.listen(channel) as bell:
            connection.client().publish(channel, 1)
            rung = await bell.wait(PATIENCE)
        await ours.bells.close()
        return rung

    assert asyncio.run(scenario())


def test_a_bell_nobody_rang_is_not_unused() -> None:
    assert not Bell().is_unused(True)
