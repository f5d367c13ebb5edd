"""Connections of programs that use the stores, kept open for the event loop that made them.

No task of their own keeps them: a program that ends without `close_stores` leaves nothing that has to be awaited, and a
connection that cannot be made fails the call that wanted it, with the reason.
"""

import asyncio
import select
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import psycopg
from psycopg.pq import TransactionStatus

MOST_CONNECTIONS = 10
# Until a connection of those is free.
PATIENT_SECONDS = 10.0

Address = tuple[tuple[str, Any], ...]


class PoolExhausted(Exception):
    """Raised when all connections are in use for longer than a caller should wait."""


def hung_up(connection: psycopg.AsyncConnection | psycopg.Connection) -> bool:
    """Tell whether the server has ended an idle connection, without asking it.

    A server that stops or restarts leaves its goodbye readable on the socket. Looking at the socket costs microseconds,
    a question a round trip.
    """
    poll = select.poll()
    try:
        poll.register(connection.fileno(), select.POLLIN)
    except psycopg.OperationalError:
        # There is no socket any more.
        return True
    return bool(poll.poll(0))


class Pool:
    """Some connections to one database, of one event loop; the last one used is the next."""

    def __init__(self, address: Address) -> None:
        self._address = dict(address)
        self._idle: list[psycopg.AsyncConnection] = []
        self._places = asyncio.Semaphore(MOST_CONNECTIONS)
        self._closed = False

    @asynccontextmanager
    async def connection(self) -> AsyncIterator[psycopg.AsyncConnection]:
        """Yield a connection that was not hung up on; raises psycopg.OperationalError, PoolExhausted."""
        try:
            async with asyncio.timeout(PATIENT_SECONDS):
                await self._places.acquire()
        except TimeoutError:
            raise PoolExhausted(f"All {MOST_CONNECTIONS} connections are in use.") from None
        try:
            connection = await self._take()
            try:
                yield connection
            finally:
                await self._give_back(connection)
        finally:
            self._places.release()

    async def _take(self) -> psycopg.AsyncConnection:
        while self._idle:
            connection = self._idle.pop()
            if not hung_up(connection):
                return connection
            await connection.close()
        # Every statement is a transaction, and none is prepared: any pooler may stand before the database.
        return await psycopg.AsyncConnection.connect(**self._address, autocommit=True, prepare_threshold=None)

    async def _give_back(self, connection: psycopg.AsyncConnection) -> None:
        """Keep the connection, unless it broke, or was left in the middle of something by who was cancelled."""
        if self._closed or connection.info.transaction_status != TransactionStatus.IDLE:
            await connection.close()
        else:
            self._idle.append(connection)

    async def close(self) -> None:
        """Close what is idle now, and what is in use as it is given back."""
        self._closed = True
        while self._idle:
            await self._idle.pop().close()


_pools: dict[asyncio.AbstractEventLoop, dict[Address, Pool]] = {}


def pool_for(address: Address) -> Pool:
    """Return the running loop's pool of this database."""
    loop = asyncio.get_running_loop()
    for ended in [each for each in _pools if each.is_closed()]:
        # Its connections close as they are collected.
        _pools.pop(ended, None)
    mine = _pools.setdefault(loop, {})
    if address not in mine:
        mine[address] = Pool(address)
    return mine[address]


async def close_stores() -> None:
    """Close the connections that the stores of the running event loop have opened; a later call opens new ones."""
    for pool in _pools.pop(asyncio.get_running_loop(), {}).values():
        await pool.close()
